import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import type { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import { behaviorOf } from '../../src/autoscaling/behavior.ts';
import { freshMetrics } from '../../src/autoscaling/fresh.ts';
import { samplesOf } from '../../src/autoscaling/metrics.ts';
import type { HpaFacts } from '../../src/autoscaling/metrics.ts';
import type { Memory } from '../../src/autoscaling/normalize.ts';
import type { PodSample } from '../../src/autoscaling/pods.ts';
import { reconcile } from '../../src/autoscaling/reconcile.ts';
import type { Outcome } from '../../src/autoscaling/reconcile.ts';
import { replicasForPods, replicasForShare, replicasForValue } from '../../src/autoscaling/replicas.ts';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { createMetricsReader } from '../../src/controllers/prefetchpolicy/metricsreader.ts';
import { deployments, horizontalPodAutoscalers, podMetrics, pods } from '../../src/kube/resources.ts';
import type { HorizontalPodAutoscaler } from '../../src/kube/resources.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Store } from '../../src/runtime/store.ts';
import { METRICS_GROUPS, startMetricsApi, type MetricsApi } from '../doubles/metrics-api.ts';
import { startAutoscaler } from '../envtest/controller-manager.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { until } from '../support/until.ts';

const SYNC_SECONDS = 1;
/** More than any shape needs to come to rest. */
const ROUNDS = 12;
const MINUTE_MS = 60_000;

type PodShape = 'ready' | 'unready' | 'pending' | 'failed';
type MetricShape =
  | { external: string; value?: number; share?: number }
  /** Values of the Pods in their order; null: none. */
  | { pods: readonly (number | null)[]; average: number }
  | { cpu: readonly (number | null)[]; percent: number };

/** A workload, its metrics and its autoscaler; nothing changes but what the autoscaler does. */
interface Shape {
  replicas: number;
  /** All ready unless said. */
  pods?: readonly PodShape[];
  metrics: readonly MetricShape[];
  min?: number;
  max?: number;
  behavior?: NonNullable<HpaFacts['spec']>['behavior'];
}

const hour = { periodSeconds: 1800 };

const SHAPES: Readonly<Record<string, Shape>> = {
  'four, then twice as many, without a behaviour': { replicas: 1, metrics: [{ external: '100', share: 10 }] },
  'the ready Pods only, for a value': {
    replicas: 4,
    pods: ['ready', 'ready', 'unready', 'ready'],
    metrics: [{ external: '25', value: 10 }],
  },
  'nothing within the tolerance': { replicas: 10, metrics: [{ external: '109', share: 10 }] },
  'a tolerance of its own': {
    replicas: 10,
    metrics: [{ external: '109', share: 10 }],
    behavior: { scaleUp: { tolerance: '0.05' } },
  },
  'Pods per period': {
    replicas: 3,
    metrics: [{ external: '500', share: 10 }],
    behavior: { scaleUp: { policies: [{ type: 'Pods', value: 2, ...hour }] } },
  },
  'per cent per period, the least of two': {
    replicas: 5,
    metrics: [{ external: '500', share: 10 }],
    behavior: {
      scaleUp: {
        selectPolicy: 'Min',
        policies: [
          { type: 'Pods', value: 9, ...hour },
          { type: 'Percent', value: 30, ...hour },
        ],
      },
    },
  },
  'scaling up disabled': {
    replicas: 2,
    metrics: [{ external: '500', share: 10 }],
    behavior: { scaleUp: { selectPolicy: 'Disabled' } },
  },
  'a window before scaling up': {
    replicas: 2,
    metrics: [{ external: '500', share: 10 }],
    behavior: { scaleUp: { stabilizationWindowSeconds: 3600 } },
  },
  'the maximum': { replicas: 3, max: 5, metrics: [{ external: '500', share: 10 }] },
  'an absurd value': { replicas: 3, max: 7, metrics: [{ external: '9000000000000000', value: 1 }] },
  'a negative value': {
    replicas: 3,
    min: 2,
    metrics: [{ external: '-5', share: 10 }],
    behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
  },
  'five minutes before scaling in': { replicas: 6, metrics: [{ external: '10', share: 10 }] },
  'scaling in by policy': {
    replicas: 8,
    metrics: [{ external: '10', share: 10 }],
    behavior: { scaleDown: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 3, ...hour }] } },
  },
  'fewer than the minimum': { replicas: 1, min: 3, metrics: [{ external: '0', share: 10 }] },
  'a missing metric, and one that is high': {
    replicas: 2,
    metrics: [
      { external: 'missing', share: 10 },
      { external: '35', share: 10 },
    ],
  },
  'a missing metric, and one that is low': {
    replicas: 4,
    metrics: [
      { external: 'missing', share: 10 },
      { external: '10', share: 10 },
    ],
    behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
  },
  'the highest of two': {
    replicas: 3,
    metrics: [
      { external: '50', share: 10 },
      { external: '20', value: 10 },
    ],
  },
  'Pods that are pending or have no value': {
    replicas: 5,
    pods: ['ready', 'ready', 'ready', 'pending', 'ready'],
    metrics: [{ pods: [30, 40, 25, null, null], average: 10 }],
  },
  'Pods that failed': {
    replicas: 3,
    pods: ['ready', 'ready', 'failed'],
    metrics: [{ pods: [30, 17, null], average: 10 }],
  },
  'CPU of Pods that are not ready': {
    replicas: 3,
    pods: ['unready', 'ready', 'ready'],
    metrics: [{ cpu: [0.3, 0.5, 0.7], percent: 30 }],
  },
  'CPU with a Pod that has no value': { replicas: 2, metrics: [{ cpu: [1.9, null], percent: 100 }] },
};

let api: Envtest;
let client: KubeClient;
let metrics: MetricsApi;
let autoscaler: AsyncDisposable;
/** Replicas that each workload was seen with, in order. */
const seen = new Map<string, number[]>();

before(async () => {
  api = await startEnvtest();
  client = loadKubeClient({ kubeconfig: api.kubeconfig, userAgent: 'slipstream-test' });
  metrics = await startMetricsApi();
  await registerMetricsApi();
  for (const [i, shape] of Object.values(SHAPES).entries()) {
    await createWorkload(`w${i}`, shape);
  }
  autoscaler = await startAutoscaler(api, SYNC_SECONDS);
  await until('the autoscaler has done its rounds', async () => {
    for (const { metadata, spec } of (await client.list(deployments, { namespace: 'default' })).items) {
      const replicas = spec?.replicas ?? 0;
      const sizes = seen.get(metadata.name) ?? [];
      seen.set(metadata.name, sizes.at(-1) === replicas ? sizes : [...sizes, replicas]);
    }
    return (metrics.asked.get('w0-0') ?? 0) >= ROUNDS;
  });
});

after(async () => {
  await autoscaler?.[Symbol.asyncDispose]();
  await metrics?.[Symbol.asyncDispose]();
  await client?.close();
  await api?.stop();
});

describe('the HorizontalPodAutoscaler of Kubernetes and this one agree on', () => {
  for (const [i, [name, shape]] of Object.entries(SHAPES).entries()) {
    test(name, async () => {
      const { sizes, last } = simulate(shape);
      assert.deepEqual(seen.get(`w${i}`), sizes);
      const { status } = await client.get(horizontalPodAutoscalers, { namespace: 'default', name: `w${i}` });
      // It wants none, in its status, until a metric was there for the first time.
      const never = last.reasons === undefined && sizes.length === 1;
      assert.equal(status?.desiredReplicas, never ? 0 : sizes.at(-1));
      if (last.reasons !== undefined) {
        const reason = (type: string): string | undefined =>
          status?.conditions?.find((condition) => condition.type === type)?.reason;
        assert.deepEqual(
          { ableToScale: reason('AbleToScale'), scalingLimited: reason('ScalingLimited') },
          last.reasons,
        );
      }
    });
  }
});

describe('the metrics that the autoscaler goes by, read before it looks', () => {
  for (const [i, [name, { metrics: shapes }]] of Object.entries(SHAPES).entries()) {
    if (shapes.some((metric) => 'cpu' in metric)) {
      test(name, async () => {
        const where = { namespace: 'default', labelSelector: `app=w${i}` };
        const hpa = await client.get(horizontalPodAutoscalers, { namespace: 'default', name: `w${i}` });
        const [own, usages] = await Promise.all([client.list(pods, where), client.list(podMetrics, where)]);
        const blind: HpaFacts = { spec: hpa.spec, status: { ...hpa.status, currentMetrics: null } };
        const fresh = freshMetrics(blind, own.items, usages.items, new Date());
        const written = hpa.status?.currentMetrics?.map(({ type, resource }) => ({
          type,
          utilization: resource?.current.averageUtilization,
        }));
        assert.deepEqual(
          fresh?.map(({ type, resource }) => ({ type, utilization: resource?.current.averageUtilization })),
          written,
        );
      });
    }
  }

  test('the reader has them as soon as the metrics API does, until the autoscaler has looked itself', async () => {
    const i = Object.keys(SHAPES).indexOf('CPU of Pods that are not ready');
    const ref = { namespace: 'default', name: `w${i}` };
    const hpa = await client.get(horizontalPodAutoscalers, ref);
    const autoscalers = new Store<HorizontalPodAutoscaler>();
    autoscalers.upsert(hpa);
    const policies = new Store<PrefetchPolicy>();
    const policy = { metadata: ref, spec: { horizontalPodAutoscalerRef: { name: ref.name }, suspend: false } };
    policies.upsert(policy as PrefetchPolicy);
    const stop = new AbortController();
    const fresh = Promise.withResolvers<HpaFacts>();
    const reader = createMetricsReader({
      client,
      policies,
      autoscalers,
      onFresh: (_hpa, facts) => fresh.resolve(facts),
      clock: systemClock,
      log: pino({ level: 'silent' }),
    });
    assert.equal(reader.latest(hpa), hpa, 'nothing was read yet');
    const ended = reader.run(stop.signal);
    const facts = await fresh.promise;
    // Of the two that are ready.
    assert.equal(samplesOf(facts)[0]?.current, 60);
    assert.equal(reader.latest(hpa), facts);
    const looked = { ...hpa, metadata: { ...hpa.metadata, resourceVersion: 'another' } };
    assert.equal(reader.latest(looked), looked);
    stop.abort();
    await ended;
  });
});

/** Each size that our autoscaler goes through, and its last round. */
function simulate({
  replicas,
  pods: states = allReady(replicas),
  metrics: shapes,
  min = 1,
  max = 100,
  behavior,
}: Shape): {
  sizes: number[];
  last: Outcome;
} {
  const bounds = { minReplicas: min, maxReplicas: max, behavior: behaviorOf(behavior) };
  const tolerances = { up: Number(behavior?.scaleUp?.tolerance ?? 0.1), down: 0.1 };
  const sizes = [replicas];
  let current = replicas;
  let memory: Memory | undefined;
  let last: Outcome | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const now = round * SYNC_SECONDS * 1000;
    const ready = states.filter((state) => state === 'ready').length;
    const proposals = shapes.map((metric) => {
      if ('external' in metric) {
        const total = Number(metric.external);
        if (Number.isNaN(total)) {
          return undefined;
        }
        return metric.share === undefined
          ? replicasForValue(total / (metric.value ?? 1), current, ready, tolerances)
          : replicasForShare(total, metric.share, states.length, tolerances, 'External');
      }
      return 'cpu' in metric
        ? replicasForPods(
            samples(states, metric.cpu, true),
            { type: 'Utilization', value: metric.percent },
            current,
            tolerances,
            now,
          )
        : replicasForPods(
            samples(states, metric.pods, false),
            { type: 'AverageValue', value: metric.average },
            current,
            tolerances,
            now,
          );
    });
    last = reconcile({ currentReplicas: current, proposals }, bounds, memory, now);
    memory = last.memory;
    if (last.desiredReplicas !== current) {
      current = last.desiredReplicas;
      sizes.push(current);
    }
  }
  assert.ok(last);
  return { sizes, last };
}

function samples(states: readonly PodShape[], values: readonly (number | null)[], cpu: boolean): PodSample[] {
  return states.map((state, i) => ({
    phase: state === 'pending' ? 'Pending' : state === 'failed' ? 'Failed' : 'Running',
    value: values[i] ?? undefined,
    request: 1,
    ...(cpu
      ? {
          cpu: {
            ready: state === 'ready',
            startedAt: -10 * MINUTE_MS,
            readyChangedAt: -10 * MINUTE_MS,
            measuredAt: 0,
            windowMs: 10_000,
          },
        }
      : {}),
  }));
}

function allReady(replicas: number): PodShape[] {
  return Array.from({ length: replicas }, () => 'ready' as const);
}

/** Has the API server pass the metrics APIs on to the double: aggregation, by a Service that is another name of localhost. */
async function registerMetricsApi(): Promise<void> {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name: 'metrics' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  };
  await client.raw('POST', '/api/v1/namespaces/default/services', { body: service });
  for (const { group, version } of METRICS_GROUPS) {
    const path = '/apis/apiregistration.k8s.io/v1/apiservices';
    const name = `${version}.${group}`;
    await client.raw('POST', path, {
      body: {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name },
        spec: {
          group,
          version,
          groupPriorityMinimum: 100,
          versionPriority: 100,
          insecureSkipTLSVerify: true,
          service: { namespace: 'default', name: 'metrics', port: metrics.port },
        },
      },
    });
    await until(`${name} is available`, async () => {
      await client.raw('GET', `/apis/${group}/${version}`);
      return true;
    });
  }
}

async function createWorkload(name: string, shape: Shape): Promise<void> {
  const { replicas, pods: states = allReady(replicas), metrics: shapes, min = 1, max = 100, behavior } = shape;
  const namespace = 'default';
  const labels = { app: name };
  const containers = [{ name: 'app', image: 'registry.test/web:1', resources: { requests: { cpu: '1' } } }];
  await client.create(deployments, {
    metadata: { namespace, name },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  });
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${name}/status`;
  await patchStatus(path, { replicas: states.length });
  const startTime = new Date(Date.now() - 10 * MINUTE_MS).toISOString();
  for (const [i, state] of states.entries()) {
    await client.create(pods, { metadata: { namespace, name: `${name}-${i}`, labels }, spec: { containers } });
    await patchStatus(`/api/v1/namespaces/${namespace}/pods/${name}-${i}/status`, {
      phase: state === 'pending' ? 'Pending' : state === 'failed' ? 'Failed' : 'Running',
      startTime,
      conditions: [{ type: 'Ready', status: state === 'ready' ? 'True' : 'False', lastTransitionTime: startTime }],
    });
  }
  await client.create(horizontalPodAutoscalers, {
    metadata: { namespace, name },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas: min,
      maxReplicas: max,
      metrics: shapes.map((metric, i) => serve(metric, name, `${name}-${i}`)),
      ...(behavior === undefined ? {} : { behavior: behavior as object }),
    },
  });
}

/** Has the double serve a metric; returns its place in the autoscaler's spec. */
function serve(shape: MetricShape, app: string, name: string): { type: string } {
  const byPod = (values: readonly (number | null)[]): Record<string, string> =>
    Object.fromEntries(values.flatMap((value, i) => (value === null ? [] : [[`${app}-${i}`, String(value)]])));
  if ('external' in shape) {
    const { external, value, share } = shape;
    if (external !== 'missing') {
      metrics.external.set(name, external);
    }
    const target =
      share === undefined ? { type: 'Value', value: `${value}` } : { type: 'AverageValue', averageValue: `${share}` };
    return { type: 'External', external: { metric: { name }, target } } as { type: string };
  }
  if ('cpu' in shape) {
    metrics.cpu.set(app, byPod(shape.cpu));
    const target = { type: 'Utilization', averageUtilization: shape.percent };
    return { type: 'Resource', resource: { name: 'cpu', target } } as { type: string };
  }
  metrics.pods.set(`${name}/${app}`, byPod(shape.pods));
  const target = { type: 'AverageValue', averageValue: `${shape.average}` };
  return { type: 'Pods', pods: { metric: { name }, target } } as { type: string };
}

async function patchStatus(path: string, status: object): Promise<void> {
  await client.raw('PATCH', path, { body: { status }, contentType: 'application/merge-patch+json' });
}
