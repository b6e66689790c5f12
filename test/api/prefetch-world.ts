import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import type { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import { History, sampleOf } from '../../src/autoscaling/history.ts';
import { Config } from '../../src/config.ts';
import { reconcilePrefetchPolicy } from '../../src/controllers/prefetchpolicy/controller.ts';
import { prefetchMetrics } from '../../src/controllers/prefetchpolicy/metrics.ts';
import type { PrefetchPolicyDependencies } from '../../src/controllers/prefetchpolicy/pass.ts';
import { StatusWriter } from '../../src/controllers/status-writer.ts';
import { SeedPeersProvider } from '../../src/dragonfly/seedpeers.ts';
import { loadKubeClient } from '../../src/kube/client.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { EventRecorder } from '../../src/kube/events.ts';
import { deployments, horizontalPodAutoscalers, prefetchPolicies } from '../../src/kube/resources.ts';
import type { HorizontalPodAutoscaler, Node } from '../../src/kube/resources.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { RewriteIndex } from '../../src/rewriting/index.ts';
import { Store } from '../../src/runtime/store.ts';
import { startFaultyRegistry } from '../doubles/faulty-registry.ts';
import type { FaultyRegistry } from '../doubles/faulty-registry.ts';
import { startSeedDouble } from '../doubles/seed-peer.ts';
import type { SeedDouble, SeedReply, SeedRequest } from '../doubles/seed-peer.ts';
import { startEnvtest } from '../envtest/envtest.ts';
import { node } from '../gen/objects.ts';
import { HurriedClock } from '../support/hurried-clock.ts';
import { CRDS } from '../support/operator.ts';

const log = pino({ level: 'silent' });
const PASS_MS = 60_000;
const MERGE = 'application/merge-patch+json';

/** A real API server, and around it what a PrefetchPolicy's controller talks to. */
export interface PrefetchWorld extends AsyncDisposable {
  readonly client: KubeClient;
  readonly origin: FaultyRegistry;
  readonly seed: SeedDouble;
  /** Makes the seed answer so from now on, where this answers at all. */
  failSeed(fault: SeedFault): void;
  readonly metrics: Registry;
  /** A policy of its own, with what it looks at: a Deployment that runs the image, and an autoscaler without a controller. */
  policy(name: string, spec?: object, image?: string): Promise<PolicyUnderTest>;
}

type SeedFault = (request: SeedRequest) => SeedReply | undefined;

export interface PolicyUnderTest {
  readonly clock: HurriedClock;
  readonly deps: PrefetchPolicyDependencies & { images: Store<AcceleratedImage>; nodes: Store<Node> };
  /** One pass over the policy, with this as the status of its autoscaler; returns the policy as it is then. */
  reconcile: (status?: object) => Promise<PrefetchPolicy>;
}

export async function startPrefetchWorld(): Promise<PrefetchWorld> {
  let fault: SeedFault = () => undefined;
  const [envtest, origin, seed] = await Promise.all([
    startEnvtest({ crds: CRDS }),
    startFaultyRegistry(),
    startSeedDouble({ fault: (request) => fault(request) }),
  ]);
  const client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'slipstream-test' });
  const plain = { [origin.host]: { plainHTTP: true } };
  const registry = new RegistryClient({ registries: plain, userAgent: 'slipstream-test' });
  const metrics = new Registry();
  const counters = prefetchMetrics(metrics, () => []);
  const namespace = 'default';

  function dependencies(clock: HurriedClock) {
    return {
      client,
      registry,
      config: Config.parse({
        conversion: { image: 'slipstream:test' },
        registries: [{ host: origin.host, plainHTTP: true }],
      }),
      operatorNamespace: 'slipstream-system',
      clock,
      policies: new Store<PrefetchPolicy>(),
      autoscalers: new Store<HorizontalPodAutoscaler>(),
      images: new Store<AcceleratedImage>(),
      nodes: new Store<Node>(),
      histories: new Map<string, History>(),
      latest: (hpa: HorizontalPodAutoscaler) => hpa,
      newArtifacts: new Set<string>(),
      index: new RewriteIndex({
        operatorNamespace: 'slipstream-system',
        runtimeHandler: 'nydus',
        runtimeClassName: 'nydus',
        ownerKinds: [],
      }),
      providers: new Map([['default', new SeedPeersProvider({ seeds: async () => [seed.seed], clock })]]),
      prometheus: undefined,
      status: new StatusWriter<PrefetchPolicy, NonNullable<PrefetchPolicy['status']>>(client, prefetchPolicies, 'test'),
      events: new EventRecorder({ client, clock, log, instance: 'test' }),
      metrics: counters,
      holdProblem: () => undefined,
    };
  }

  return {
    client,
    origin,
    seed,
    failSeed: (next) => {
      fault = next;
    },
    metrics,
    async policy(name, spec = {}, image = `${origin.host}/shop/${name}:1`) {
      const labels = { app: name };
      const containers = [{ name: 'web', image }];
      await client.create(deployments, {
        metadata: { namespace, name },
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
      });
      await client.create(horizontalPodAutoscalers, {
        metadata: { namespace, name },
        spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: 1, maxReplicas: 5 },
      });
      await client.create(prefetchPolicies, {
        metadata: { namespace, name },
        spec: { horizontalPodAutoscalerRef: { name }, ...spec },
      });
      const clock = new HurriedClock();
      const deps = dependencies(clock);
      deps.nodes.upsert(node('node-1', { status: { nodeInfo: { operatingSystem: 'linux', architecture: 'amd64' } } }));
      const ref = { namespace, name };
      const key = `${namespace}/${name}`;
      return {
        clock,
        deps,
        async reconcile(status = {}) {
          const patch = { status: { currentReplicas: 1, desiredReplicas: 1, conditions: [], ...status } };
          const hpa = await client.patch(horizontalPodAutoscalers, ref, patch, MERGE, { subresource: 'status' });
          deps.autoscalers.upsert(hpa);
          const history = deps.histories.get(key) ?? new History();
          history.add(sampleOf(hpa, clock.now()));
          deps.histories.set(key, history);
          deps.policies.upsert(await client.get(prefetchPolicies, ref));
          await reconcilePrefetchPolicy(key, deps, {
            log,
            reconcileId: 'test',
            signal: AbortSignal.timeout(PASS_MS),
          });
          return await client.get(prefetchPolicies, ref);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await registry.close();
      await seed[Symbol.asyncDispose]();
      await origin.close();
      await client.close();
      await envtest.stop();
    },
  };
}

/** `status reason` of a condition. */
export function conditionOf({ status }: PrefetchPolicy, type: string): string {
  const condition = status?.conditions?.find((each) => each.type === type);
  return `${condition?.status} ${condition?.reason}`;
}
