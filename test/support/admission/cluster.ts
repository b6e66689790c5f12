import { randomUUID } from 'node:crypto';
import { loadKubeClient, type KubeClient } from '../../../src/kube/client.ts';
import {
  acceleratedImages,
  mutatingWebhookConfigurations,
  namespaces,
  nodes,
  runtimeClasses,
  type Node,
  type Pod,
  type Resource,
} from '../../../src/kube/resources.ts';
import type { RewriteConfig } from '../../../src/rewriting/config.ts';
import { keyOf, type KubeObject } from '../../../src/runtime/object.ts';
import type { WebhookServer } from '../../../src/webhook/server.ts';
import { startEnvtest, type Envtest } from '../../envtest/envtest.ts';
import { CRDS } from '../operator.ts';
import { capableNode, CONFIG, readyImage, runtimeClass } from '../rewriting.ts';
import { merge, type Overrides } from '../merge.ts';
import { startTcpProxy, type TcpProxy } from '../tcp-proxy.ts';
import { until } from '../until.ts';
import { chartWebhook, register, type Webhook } from './configuration.ts';
import { createInformers, startWebhook, type Call, type Informers, type RunningWebhook } from './serve.ts';

/** Where Pods are made. */
export const TEAM = 'team-a';

/** What became of a Pod that was created, and the calls of the webhook on the way. */
export interface Admitted {
  pod: Pod;
  calls: Call[];
}

export interface AdmissionOptions {
  /** Admission plugins beside those that are on by default. */
  plugins?: readonly string[];
  /** `Fail` by default, so that a call that fails is seen. What ships says Ignore. */
  failurePolicy?: 'Ignore' | 'Fail';
}

/**
 * A real API server that calls the real webhook, registered as the chart does, over an index that real watches fill. It has
 * the RuntimeClass, the namespaces {@link TEAM} and the operator's, and the capable node `n1`; no controller runs.
 */
export interface AdmissionCluster extends AsyncDisposable {
  envtest: Envtest;
  client: KubeClient;
  server: WebhookServer;
  /** The wire between the watches and the API server. */
  watches: TcpProxy;
  /** Every call so far. */
  calls: readonly Call[];
  /** Creates an AcceleratedImage that is Ready, see readyImage, and waits until the index has it. */
  addImage(name: string, source: string, overrides?: Overrides): Promise<void>;
  /** Creates a Node as its kubelet would, and waits until the index has it. */
  addNode(node: Node): Promise<void>;
  addNamespace(name: string, labels?: Record<string, string>): Promise<void>;
  /** Waits until the index has what the API server has of a watched kind, or has lost it. */
  settled<T extends KubeObject>(resource: Resource<T>, ref: { namespace?: string; name: string }): Promise<void>;
  /** Creates a Pod in {@link TEAM}, unless it names a namespace, with a name of its own, unless it has one. */
  create(pod: PodDraft, options?: { dryRun?: boolean }): Promise<Admitted>;
  /** Answers as an operator of another configuration while `body` runs. */
  configured(config: RewriteConfig, body: () => Promise<void>): Promise<void>;
}

/** Any part of a Pod. */
export interface PodDraft {
  metadata?: Record<string, unknown>;
  spec: Record<string, unknown>;
}

/** A Pod of one container `web`. */
export function podOf(image: string, { metadata = {}, spec = {} }: Partial<PodDraft> = {}): PodDraft {
  return { metadata, spec: { containers: [{ name: 'web', image }], ...spec } };
}

/** Starts it all; see {@link AdmissionCluster}. */
export async function startAdmission(options: AdmissionOptions = {}): Promise<AdmissionCluster> {
  const stop = new AbortController();
  const closing: (() => PromiseLike<unknown>)[] = [];
  const dispose = async (): Promise<void> => {
    stop.abort();
    for (const step of closing.splice(0).toReversed()) {
      await step();
    }
  };
  try {
    const envtest = await startEnvtest({ crds: CRDS, enableAdmissionPlugins: options.plugins ?? [] });
    closing.push(() => envtest.stop());
    const client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'admission-test' });
    closing.push(() => client.close());
    const watches = await startTcpProxy(Number(new URL(envtest.url).port));
    closing.push(() => watches[Symbol.asyncDispose]());
    const kubeconfig = await envtest.kubeconfigAt(`https://127.0.0.1:${watches.port}`);
    const watching = loadKubeClient({ kubeconfig, userAgent: 'admission-test-watches' });
    closing.push(() => watching.close());
    const informers = createInformers(watching);
    const running = Object.values(informers).map((informer) => informer.run(stop.signal));
    closing.push(() => Promise.all(running));
    const webhook = await startWebhook(informers, stop.signal);
    closing.push(async () => webhook.ended);
    const cluster = { ...createCluster(client, informers, webhook), envtest, watches, [Symbol.asyncDispose]: dispose };
    await populate(cluster);
    await Promise.all(Object.values(informers).map((informer) => informer.waitForSync(stop.signal)));
    const { failurePolicy = 'Fail' } = options;
    await registerChart(cluster, (shipped) => ({ ...shipped, failurePolicy }));
    return cluster;
  } catch (error) {
    await dispose();
    throw error;
  }
}

/**
 * Registers the webhook as the chart does, but for where it is and what `change` says, and waits until the API server calls
 * it.
 */
export async function registerChart(
  cluster: AdmissionCluster,
  change: (webhook: Webhook) => Webhook = (webhook) => webhook,
): Promise<void> {
  const clientConfig = { url: `https://127.0.0.1:${cluster.server.address()?.port}/mutate-pods` };
  await register(cluster.client, 'slipstream', change(await chartWebhook(clientConfig)));
  const seen = cluster.calls.length;
  await until('the API server calls the webhook', async () => {
    await cluster.create(podOf('registry.test/probe:1'), { dryRun: true });
    return cluster.calls.length > seen;
  });
}

function createCluster(
  client: KubeClient,
  informers: Informers,
  { server, calls, configured }: RunningWebhook,
): Omit<AdmissionCluster, 'envtest' | 'watches' | typeof Symbol.asyncDispose> {
  const watched = new Map(Object.values(informers).map((informer) => [informer.name, informer.store]));
  const settled: AdmissionCluster['settled'] = async (resource, ref) => {
    const store = watched.get(resource.plural);
    await until(`the index has seen ${resource.kind} ${ref.name}`, async () => {
      const stored = await client.get(resource, ref).catch(() => undefined);
      const known = store?.get(keyOf({ metadata: ref }));
      return stored?.metadata.resourceVersion === known?.metadata.resourceVersion;
    });
  };
  return {
    client,
    server,
    calls,
    settled,
    configured,
    async addImage(name, source, overrides = {}) {
      const now = { status: { source: { resolvedAt: new Date().toISOString() } } };
      const { metadata, spec, status } = readyImage(name, source, merge(now, overrides));
      const ref = { namespace: metadata.namespace, name };
      await client.create(acceleratedImages, { metadata: ref, spec });
      const subresource = 'status';
      await client.patch(acceleratedImages, ref, { status }, 'application/merge-patch+json', { subresource });
      await settled(acceleratedImages, ref);
    },
    async addNode({ metadata: { name, labels = {} }, spec = {}, status = {} }) {
      await client.create(nodes, { metadata: { name, labels }, spec });
      // The API server taints a new node as not ready, and the node controller takes that away when it is.
      const taints = spec.taints ?? null;
      await client.patch(nodes, { name }, { spec: { taints } }, 'application/merge-patch+json');
      const subresource = 'status';
      await client.patch(nodes, { name }, { status }, 'application/merge-patch+json', { subresource });
      await settled(nodes, { name });
    },
    async addNamespace(name, labels = {}) {
      await client.create(namespaces, { metadata: { name, labels } });
      // As its controller would.
      const body = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
      await client.raw('POST', `/api/v1/namespaces/${name}/serviceaccounts`, { body });
      await settled(namespaces, { name });
    },
    async create({ metadata = {}, spec }, { dryRun = false } = {}) {
      const before = calls.length;
      const generated = metadata['generateName'] === undefined ? { name: `web-${randomUUID()}` } : {};
      const body = { apiVersion: 'v1', kind: 'Pod', metadata: { ...generated, ...metadata }, spec };
      const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : TEAM;
      const query = dryRun ? { dryRun: 'All' } : {};
      const answer = await client.raw('POST', `/api/v1/namespaces/${namespace}/pods`, { body, query });
      return { pod: JSON.parse(answer) as Pod, calls: calls.slice(before) };
    },
  };
}

async function populate(cluster: AdmissionCluster): Promise<void> {
  await cluster.client.create(runtimeClasses, runtimeClass());
  for (const name of [CONFIG.operatorNamespace, TEAM]) {
    await cluster.addNamespace(name);
  }
  await cluster.addNode(capableNode('n1', { metadata: { labels: { pool: 'nydus' } } }));
}

/** Takes the registration of {@link registerChart} away again. */
export async function unregister({ client }: AdmissionCluster, name = 'slipstream'): Promise<void> {
  await client.delete(mutatingWebhookConfigurations, { name });
}
