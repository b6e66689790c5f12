import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { History } from '../../src/autoscaling/history.ts';
import { Config } from '../../src/config.ts';
import { reconcilePrefetchPolicy } from '../../src/controllers/prefetchpolicy/controller.ts';
import { StatusWriter } from '../../src/controllers/status-writer.ts';
import { SeedPeersProvider } from '../../src/dragonfly/seedpeers.ts';
import { EventRecorder } from '../../src/kube/events.ts';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import {
  deployments,
  horizontalPodAutoscalers,
  prefetchPolicies,
  type HorizontalPodAutoscaler,
} from '../../src/kube/resources.ts';
import type { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { RewriteIndex } from '../../src/rewriting/index.ts';
import { Store } from '../../src/runtime/store.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { startSeedDouble, type SeedDouble } from '../doubles/seed-peer.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { node } from '../gen/objects.ts';
import { CRDS } from '../support/operator.ts';
import { HurriedClock } from '../support/hurried-clock.ts';

const namespace = 'default';
const name = 'web';
const MINUTE_MS = 60_000;
const log = pino({ level: 'silent' });

let envtest: Envtest;
let client: KubeClient;
let origin: FaultyRegistry;
let seed: SeedDouble;
let registry: RegistryClient;

before(async () => {
  [envtest, origin, seed] = await Promise.all([startEnvtest({ crds: CRDS }), startFaultyRegistry(), startSeedDouble()]);
  client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'slipstream-test' });
  registry = new RegistryClient({ registries: { [origin.host]: { plainHTTP: true } }, userAgent: 'slipstream-test' });
});

after(async () => {
  await registry?.close();
  await seed?.[Symbol.asyncDispose]();
  await origin?.close();
  await client?.close();
  await envtest?.stop();
});

/** The policy `web` and what it looks at, with a clock of its own: `reconcile` is one pass over it. */
async function world() {
  const clock = new HurriedClock();
  const policies = new Store<PrefetchPolicy>();
  const autoscalers = new Store<HorizontalPodAutoscaler>();
  const nodes = new Store<ReturnType<typeof node>>();
  nodes.upsert(node('node-1', { status: { nodeInfo: { operatingSystem: 'linux', architecture: 'amd64' } } }));
  const config = Config.parse({
    conversion: { image: 'slipstream:test' },
    registries: [{ host: origin.host, plainHTTP: true }],
  });
  const deps = {
    client,
    registry,
    config,
    operatorNamespace: 'slipstream-system',
    clock,
    policies,
    autoscalers,
    nodes,
    histories: new Map<string, History>(),
    index: new RewriteIndex({
      operatorNamespace: 'slipstream-system',
      runtimeHandler: 'nydus',
      runtimeClassName: 'nydus',
      ownerKinds: [],
    }),
    providers: new Map([['default', new SeedPeersProvider({ seeds: async () => [seed.seed], clock })]]),
    status: new StatusWriter<PrefetchPolicy, NonNullable<PrefetchPolicy['status']>>(client, prefetchPolicies, 'test'),
    events: new EventRecorder({ client, clock, log, instance: 'test' }),
  };
  async function reconcile(desiredReplicas: number): Promise<PrefetchPolicy> {
    const ref = { namespace, name };
    const status = { status: { currentReplicas: 1, desiredReplicas, conditions: [] } };
    const merge = 'application/merge-patch+json';
    autoscalers.upsert(await client.patch(horizontalPodAutoscalers, ref, status, merge, { subresource: 'status' }));
    policies.upsert(await client.get(prefetchPolicies, ref));
    await reconcilePrefetchPolicy(`${namespace}/${name}`, deps, {
      log,
      reconcileId: 'test',
      signal: AbortSignal.timeout(MINUTE_MS),
    });
    return await client.get(prefetchPolicies, ref);
  }
  return { clock, reconcile };
}

function warmCondition(policy: PrefetchPolicy): string {
  const warm = policy.status?.conditions?.find(({ type }) => type === 'Warm');
  return `${warm?.status} ${warm?.reason}`;
}

test('a policy warms exactly the blobs of the next Pod, sees an eviction, and warms again at the next sign', async () => {
  const image = origin.addImage('shop/web', '1', { layers: [Buffer.alloc(1000, 1), Buffer.alloc(2000, 2)] });
  origin.addImage('shop/other', '1');
  const labels = { app: name };
  const containers = [{ name: 'web', image: `${origin.host}/shop/web:1` }];
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
    spec: { horizontalPodAutoscalerRef: { name } },
  });
  const { clock, reconcile } = await world();

  const idle = await reconcile(1);
  assert.equal(warmCondition(idle), 'False NotWarmed');
  assert.equal(seed.requests.length, 0);

  const warmed = await reconcile(3);
  assert.equal(warmCondition(warmed), 'True Warm');
  const manifest = image.platforms[0]?.manifest;
  const blobs = [manifest?.config, ...(manifest?.layers ?? [])].map((blob) => blob?.digest.replace('sha256:', ''));
  assert.deepEqual(new Set(seed.pieces.keys()), new Set(blobs));
  assert.deepEqual(warmed.status?.images?.[0]?.blobs, { total: 3, warm: 3 });
  assert.equal(warmed.status?.decision?.warmVerifiedAt, warmed.status?.lastWarmAt);

  seed.pieces.clear();
  await clock.sleep(2 * MINUTE_MS);
  const evicted = await reconcile(1);
  assert.equal(warmCondition(evicted), 'False Evicted');
  assert.equal(evicted.status?.warm, '0/3');

  assert.equal(warmCondition(await reconcile(3)), 'True Warm');
});
