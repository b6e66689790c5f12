import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { MANAGED_BY, MANAGED_BY_LABEL } from './api/v1alpha1/labels.ts';
import type { AcceleratedImage, AcceleratedImageStatus } from './api/v1alpha1/acceleratedimage.ts';
import type { PrefetchPolicy, PrefetchPolicyStatus } from './api/v1alpha1/prefetchpolicy.ts';
import { History, sampleOf } from './autoscaling/history.ts';
import { rewriteConfig, type Config } from './config.ts';
import { keysForJob, keysForPod, reconcileAcceleratedImage } from './controllers/acceleratedimage/controller.ts';
import { followNotifications } from './controllers/acceleratedimage/notified.ts';
import { StartedJobs } from './controllers/acceleratedimage/started-jobs.ts';
import { RunningImages } from './controllers/acceleratedimage/running-images.ts';
import { EVERY_TABLE, reconcileRewriteTable, removeRewriteTables } from './controllers/admissionpolicy/controller.ts';
import { clusterChanges, tablesForImage, tablesOf } from './controllers/admissionpolicy/triggers.ts';
import { createHolding } from './controllers/hold/holding.ts';
import { holdMetrics } from './controllers/hold/metrics.ts';
import { reconcileNode } from './controllers/node/controller.ts';
import { createNotificationEndpoint } from './controllers/notifications/endpoint.ts';
import { notificationMetrics } from './controllers/notifications/metrics.ts';
import { keysForAutoscaler, reconcilePrefetchPolicy } from './controllers/prefetchpolicy/controller.ts';
import { holdProblem } from './controllers/prefetchpolicy/hold.ts';
import { prefetchMetrics } from './controllers/prefetchpolicy/metrics.ts';
import { createMetricsReader } from './controllers/prefetchpolicy/metricsreader.ts';
import { keysForNode } from './controllers/prefetchpolicy/newnode.ts';
import { keysForArtifact } from './controllers/prefetchpolicy/newversion.ts';
import { createPrometheus } from './controllers/prefetchpolicy/prometheus.ts';
import { generationChanged } from './controllers/predicates.ts';
import { scaleOutMetrics } from './controllers/scaleout/metrics.ts';
import { createScaleOutObserver } from './controllers/scaleout/observer.ts';
import { createSigningKeys } from './controllers/signing-keys.ts';
import { StatusWriter } from './controllers/status-writer.ts';
import { listWatch, loadKubeClient } from './kube/client.ts';
import type { KubeClient, Selectors } from './kube/client.ts';
import { EventRecorder } from './kube/events.ts';
import { LEADER_LEASE, leaseLock } from './kube/lease.ts';
import {
  acceleratedImages,
  horizontalPodAutoscalers,
  jobs,
  leases,
  namespaces,
  nodes,
  pods,
  prefetchPolicies,
  mutatingWebhookConfigurations,
  rewriteTables,
  runtimeClasses,
  secrets,
} from './kube/resources.ts';
import type { Resource } from './kube/resources.ts';
import { createHealthServer } from './observability/http.ts';
import { controllerMetrics, createMetricsRegistry } from './observability/metrics.ts';
import { RegistryClient } from './registry/client.ts';
import { fillIndex } from './rewriting/fill.ts';
import { RewriteIndex } from './rewriting/index.ts';
import type { Clock } from './runtime/clock.ts';
import { systemClock } from './runtime/clock.ts';
import { Controller } from './runtime/controller.ts';
import { Informer } from './runtime/informer.ts';
import { LeaderElector } from './runtime/leader-election.ts';
import { Manager } from './runtime/manager.ts';
import { keyOf } from './runtime/object.ts';
import type { Key, KubeObject } from './runtime/object.ts';
import { createProviders } from './warming/providers.ts';
import { CERTIFICATES_KEY, reconcileCertificates } from './webhook/certificates/reconcile.ts';
import { serveCertificate } from './webhook/certificates/serve.ts';
import { prometheusMetrics } from './webhook/metrics.ts';
import { createHold } from './webhook/hold.ts';
import { createReviewer } from './webhook/mutate.ts';
import { ADMISSION, ADMISSION_BUDGET, createNotifier } from './webhook/notify.ts';
import { createWebhookServer } from './webhook/server.ts';
import type { AllowedClients } from './webhook/server.ts';

/** A worker soon has better things to do than to wait for a registry that hangs: the work queue comes back to it. */
const REGISTRY_TIMEOUTS = { connect: 5000, headers: 10_000, exchange: 20_000 };
/** Registries are asked again after a second first, and every five minutes at the longest. */
const REGISTRY_BACKOFF = { baseDelay: 1000, maxDelay: 300_000 };

export interface OperatorOptions {
  config: Config;
  /** The operator's own namespace. */
  namespace: string;
  /** What tells this replica from the others. */
  identity: string;
  kubeconfig?: string | undefined;
  webhookPort: number;
  healthPort: number;
  /** Where notifications of registries are taken, if that is enabled. */
  notificationsPort: number;
  /** Service of the webhook. */
  service: string;
  webhookConfiguration: string;
  /** Secret of the webhook's authority and serving certificate. */
  certificateSecret: string;
  userAgent: string;
  log: Logger;
}

/** Wires the whole operator and runs it until the signal: the only place where all the parts meet. */
export async function runOperator(options: OperatorOptions, signal: AbortSignal): Promise<void> {
  const { config, namespace, log, userAgent } = options;
  const clock = systemClock;
  const metrics = createMetricsRegistry();
  const client = loadKubeClient({ kubeconfig: options.kubeconfig, userAgent });
  const registry = new RegistryClient({
    refusedNetworks: config.refusedNetworks,
    registries: Object.fromEntries(config.registries.map(({ host, plainHTTP, ca }) => [host, { plainHTTP, ca }])),
    userAgent,
    log,
    timeouts: REGISTRY_TIMEOUTS,
  });
  const caches = createCaches(client, options);
  const index = createIndex(options, caches);
  const histories = recordHistories(caches, clock);
  const events = new EventRecorder({ client, clock, log, instance: options.identity });
  const shared = { client, registry, config, operatorNamespace: namespace, clock };
  const controllerOptions = { clock, log, metrics: controllerMetrics(metrics) };
  const byPolicy = config.admission.mode === 'Policy';
  const holds = holdMetrics(metrics);
  const holding =
    config.hold.enabled && !byPolicy
      ? createHolding({
          ...caches,
          client,
          clock,
          log,
          histories,
          events,
          metrics: holds,
          controllerMetrics: controllerOptions.metrics,
        })
      : undefined;

  const imageController = new Controller({
    ...controllerOptions,
    name: 'acceleratedimage',
    workers: 8,
    rateLimit: REGISTRY_BACKOFF,
    reconcile: (key, context) => reconcileAcceleratedImage(key, imageDeps, context),
  });
  const imageDeps = {
    ...shared,
    images: caches.images.store,
    jobs: caches.jobs.store,
    pods: caches.pods.store,
    nodes: caches.nodes.store,
    started: new StartedJobs(caches.jobs.store, clock),
    running: new RunningImages(client, clock),
    signingKeys: createSigningKeys({ client, namespace, secret: config.trust.signing?.secret, clock }),
    status: new StatusWriter<AcceleratedImage, AcceleratedImageStatus>(
      client,
      acceleratedImages,
      'slipstream-acceleratedimage',
      ['notification'],
    ),
    events,
  };
  enqueueSpecChanges(caches.images, imageController);
  followNotifications(caches.images, imageController, clock);
  caches.jobs.onChange(({ object }) => enqueueAll(imageController, keysForJob(object, caches.images.store.list())));
  caches.pods.onChange(({ object }) => enqueueAll(imageController, keysForPod(object, caches.images.store.list())));

  const policyController = new Controller({
    ...controllerOptions,
    name: 'prefetchpolicy',
    // A pass over a policy lasts as long as its warm.
    workers: 16,
    rateLimit: REGISTRY_BACKOFF,
    reconcile: (key, context) => reconcilePrefetchPolicy(key, policyDeps, context),
  });
  const metricsReader = createMetricsReader({
    client,
    policies: caches.policies.store,
    autoscalers: caches.autoscalers.store,
    onFresh(hpa, facts) {
      histories.get(keyOf(hpa))?.add(sampleOf(facts, clock.now()));
      enqueueAll(
        policyController,
        keysForAutoscaler(hpa, caches.policies.store.listNamespace(hpa.metadata.namespace ?? '')),
      );
    },
    clock,
    log,
  });
  const policyDeps = {
    ...shared,
    policies: caches.policies.store,
    autoscalers: caches.autoscalers.store,
    images: caches.images.store,
    nodes: caches.nodes.store,
    histories,
    latest: metricsReader.latest,
    newArtifacts: new Set<Key>(),
    index,
    providers: createProviders(config, shared),
    prometheus: createPrometheus(config, shared),
    status: new StatusWriter<PrefetchPolicy, PrefetchPolicyStatus>(
      client,
      prefetchPolicies,
      'slipstream-prefetchpolicy',
    ),
    events,
    metrics: prefetchMetrics(metrics, () => caches.policies.store.list()),
    holdProblem: () => holdProblem(config, () => holding?.releaserAlive() === true),
  };
  enqueueSpecChanges(caches.policies, policyController);
  caches.autoscalers.onChange(({ object }) =>
    enqueueAll(
      policyController,
      keysForAutoscaler(object, caches.policies.store.listNamespace(object.metadata.namespace ?? '')),
    ),
  );
  caches.images.onChange((change) => {
    const concerned = keysForArtifact(change, caches.policies.store.list(), namespace);
    for (const key of concerned) {
      policyDeps.newArtifacts.add(key);
    }
    enqueueAll(policyController, concerned);
  });
  caches.nodes.onChange((change) =>
    enqueueAll(policyController, keysForNode(change, caches.policies.store.list(), clock.now())),
  );

  const scaleOuts = createScaleOutObserver({
    client,
    policies: caches.policies.store,
    metrics: scaleOutMetrics(metrics),
    clock,
    log,
  });
  caches.autoscalers.onChange((change) => scaleOuts.autoscalerChanged(change));
  caches.policies.onChange(({ object }) => scaleOuts.policyChanged(object));

  const nodeController = new Controller({
    ...controllerOptions,
    name: 'node',
    workers: 2,
    reconcile: (key, context) => reconcileNode(key, nodeDeps, context),
  });
  const nodeDeps = {
    client,
    clock,
    nodes: caches.nodes.store,
    runtimeHandler: config.runtimeHandler,
    clearedAt: new Map<Key, Date>(),
  };
  caches.nodes.onChange(({ object }) => nodeController.enqueue(keyOf(object)));

  // A recorder of its own: a flood of Pods must not keep the controllers' events from being sent.
  const admissions = new EventRecorder({
    client,
    clock,
    log,
    instance: options.identity,
    reporter: ADMISSION,
    budget: ADMISSION_BUDGET,
  });
  const notify = createNotifier(admissions);
  const hold = holding && createHold({ index: holding.index, namespaces: index, releaserAlive: holding.releaserAlive });
  const webhook = createWebhookServer({
    review: createReviewer({
      index,
      clock,
      metrics: prometheusMetrics(metrics),
      log,
      notify,
      hold,
      held: () => holds.held(),
    }),
    clock,
    log,
    port: options.webhookPort,
    clients: allowedClients(config),
  });
  const certificateSecret = { namespace, name: options.certificateSecret };
  serveCertificate(caches.certificates, certificateSecret, webhook, log);
  const certificates = {
    client,
    clock,
    secret: certificateSecret,
    webhookConfiguration: options.webhookConfiguration,
    dnsNames: [`${options.service}.${namespace}.svc`, `${options.service}.${namespace}.svc.cluster.local`],
  };
  const certificateController = new Controller({
    ...controllerOptions,
    name: 'certificates',
    workers: 1,
    reconcile: (_key, context) => reconcileCertificates(certificates, context),
  });
  certificateController.enqueue(CERTIFICATES_KEY);
  caches.certificates.onChange(() => certificateController.enqueue(CERTIFICATES_KEY));
  caches.webhookConfigurations.onChange(() => certificateController.enqueue(CERTIFICATES_KEY));

  const tableController = new Controller({
    ...controllerOptions,
    name: 'rewritetable',
    workers: 4,
    reconcile: (key, context) =>
      byPolicy
        ? reconcileRewriteTable(key, { client, tables: caches.tables.store, index, clock }, context)
        : removeRewriteTables(client, context),
  });
  if (byPolicy) {
    enqueueTables(tableController, caches, index);
  } else {
    tableController.enqueue(EVERY_TABLE);
  }

  const elector = new LeaderElector({
    lock: leaseLock(client, { namespace, name: LEADER_LEASE }),
    // The Pod's name alone would make a restarted process take its last run's lease for its own.
    identity: `${options.identity}_${randomUUID()}`,
    clock,
    log,
  });
  const manager = new Manager({ clock, log, elector });
  manager.add(
    'http',
    createHealthServer({
      host: '0.0.0.0',
      port: options.healthPort,
      registry: metrics,
      healthy: [],
      ready: [
        {
          name: 'started',
          failure: () => (manager.ready ? undefined : 'caches are filling, or the process is stopping'),
        },
        {
          name: 'webhook',
          failure: () => (byPolicy || webhook.isServing() ? undefined : 'waiting for its certificate'),
        },
      ],
      log,
    }),
  );
  const idle = new Set<unknown>(byPolicy ? [caches.certificates, caches.webhookConfigurations] : [caches.tables]);
  if (config.notifications.enabled) {
    const { images, notificationTokens: tokens } = caches;
    const { notificationsPort: port } = options;
    const counts = notificationMetrics(metrics);
    manager.add(
      'always',
      createNotificationEndpoint({ client, config, images, tokens, metrics: counts, clock, log, port }),
    );
  } else {
    idle.add(caches.notificationTokens);
  }
  const held = holding === undefined ? [] : [holding.pods];
  if (holding === undefined) {
    idle.add(caches.lease);
  } else {
    manager.add('always', holding.releaser.controller);
  }
  for (const informer of [...Object.values(caches).filter((each) => !idle.has(each)), ...held]) {
    manager.add('cache', { name: informer.name, run: (s) => informer.run(s), ready: (s) => informer.waitForSync(s) });
  }
  for (const runnable of [
    imageController,
    policyController,
    nodeController,
    tableController,
    scaleOuts,
    metricsReader,
  ]) {
    manager.add('leader', runnable);
  }
  if (!byPolicy) {
    manager.add('webhook', webhook);
    manager.add('leader', certificateController);
  }
  try {
    await manager.start(signal);
  } finally {
    await Promise.all([registry.close(), client.close()]);
  }
}

function allowedClients({ webhook: { clientCA, clientNames } }: Config): AllowedClients | undefined {
  return clientCA === '' ? undefined : { ca: clientCA, names: clientNames };
}

type Caches = ReturnType<typeof createCaches>;

/** Everything that is watched in one mode of admission or the other. Pods and Jobs are watched by label: never all of the cluster's. */
function createCaches(
  client: KubeClient,
  { config, namespace, certificateSecret, webhookConfiguration, log }: OperatorOptions,
) {
  function informer<T extends KubeObject>(resource: Resource<T>, selectors: Selectors = {}): Informer<T> {
    return new Informer({
      name: resource.plural,
      listWatch: listWatch(client, resource, selectors),
      clock: systemClock,
      log,
    });
  }
  return {
    images: informer(acceleratedImages),
    policies: informer(prefetchPolicies),
    nodes: informer(nodes),
    namespaces: informer(namespaces),
    runtimeClasses: informer(runtimeClasses),
    autoscalers: informer(horizontalPodAutoscalers),
    jobs: informer(jobs, { labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}` }),
    pods: informer(pods, { labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}` }),
    tables: informer(rewriteTables),
    certificates: informer(secrets, { namespace, fieldSelector: `metadata.name=${certificateSecret}` }),
    notificationTokens: informer(secrets, {
      namespace,
      fieldSelector: `metadata.name=${config.notifications.tokenSecret}`,
    }),
    lease: informer(leases, { namespace, fieldSelector: `metadata.name=${config.hold.lease}` }),
    webhookConfigurations: informer(mutatingWebhookConfigurations, {
      fieldSelector: `metadata.name=${webhookConfiguration}`,
    }),
  };
}

/** The one index that the webhook and the PrefetchPolicy controller read. */
function createIndex({ config, namespace }: OperatorOptions, caches: Caches): RewriteIndex {
  const index = new RewriteIndex(rewriteConfig(config, namespace));
  fillIndex(index, caches);
  return index;
}

/** Remembers the recent metrics of every autoscaler, so that a new leader's policies know of a trend at once. */
function recordHistories(caches: Caches, clock: Clock): ReadonlyMap<Key, History> {
  const histories = new Map<Key, History>();
  caches.autoscalers.onChange(({ type, object }) => {
    const key = keyOf(object);
    if (type === 'deleted') {
      histories.delete(key);
      return;
    }
    const history = histories.get(key) ?? new History();
    history.add(sampleOf(object, clock.now()));
    histories.set(key, history);
  });
  return histories;
}

/** Has the tables looked at that a change concerns; the index has heard of it before. */
function enqueueTables(controller: Controller, caches: Caches, index: RewriteIndex): void {
  caches.tables.onChange(({ object }) => controller.enqueue(object.metadata.namespace));
  caches.images.onChange((change) => enqueueAll(controller, tablesForImage(change, index.config.operatorNamespace)));
  const changed = clusterChanges(index);
  const lookAtAll = (): void => {
    if (changed()) {
      enqueueAll(controller, [...tablesOf(index)]);
    }
  };
  caches.nodes.onChange(lookAtAll);
  caches.runtimeClasses.onChange(lookAtAll);
}

function enqueueSpecChanges<T extends KubeObject>(informer: Informer<T>, controller: Controller): void {
  informer.onChange((change) => {
    if (generationChanged(change)) {
      controller.enqueue(keyOf(change.object));
    }
  });
}

function enqueueAll(controller: Controller, keys: readonly Key[]): void {
  for (const key of keys) {
    controller.enqueue(key);
  }
}
