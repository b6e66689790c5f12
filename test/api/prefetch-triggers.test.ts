import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import { pods } from '../../src/kube/resources.ts';
import { queryNumber } from '../../src/prometheus/instant.ts';
import { acceleratedImage, node } from '../gen/objects.ts';
import { startPrometheus } from '../support/prometheus.ts';
import type { PrometheusUnderTest } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { conditionOf, startPrefetchWorld } from './prefetch-world.ts';
import type { PrefetchWorld } from './prefetch-world.ts';

const MINUTE_MS = 60_000;

let world: PrefetchWorld;
before(async () => {
  world = await startPrefetchWorld();
});
after(async () => await world?.[Symbol.asyncDispose]());

function decisionOf({ status }: PrefetchPolicy): string {
  return `${status?.decision?.trigger} ${status?.decision?.reason} ${status?.decision?.outcome ?? 'open'}`;
}

function metric(utilization: number): object {
  const current = { averageUtilization: utilization, averageValue: '1' };
  return { currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current } }] };
}

describe('triggers', () => {
  test('a schedule warms its lead before the time, and is right when the scale-out follows', async () => {
    world.origin.addImage('shop/scheduled', '1');
    // The clock starts at midnight UTC, which is 07:00 in Jakarta.
    const schedules = [{ cron: '0 8 * * *', timeZone: 'Asia/Jakarta', lead: '10m', replicas: 4 }];
    const { clock, reconcile } = await world.policy('scheduled', { triggers: { schedules } });
    assert.equal((await reconcile()).status?.decision, undefined);

    await clock.sleep(50 * MINUTE_MS);
    const near = await reconcile();
    assert.equal(decisionOf(near), 'Schedule TimeNear open');
    assert.equal(near.status?.replicas, '1→4');
    assert.equal(conditionOf(near, 'Warm'), 'True Warm');

    await clock.sleep(10 * MINUTE_MS);
    const scaled = await reconcile({ desiredReplicas: 4, lastScaleTime: clock.now().toISOString() });
    assert.equal(decisionOf(scaled), 'Schedule TimeNear Foreseen');
    assert.equal(scaled.status?.decision?.leadTime, '600.0s');
    assert.deepEqual(
      [scaled.status?.evidence?.scaleOuts, scaled.status?.evidence?.warmedBefore, scaled.status?.evidence?.falseAlarms],
      [1, 1, 0],
    );
    const counted = await world.metrics.metrics();
    assert.match(counted, /slipstream_prefetch_outcomes_total\{trigger="Schedule",outcome="Foreseen"\} 1/);
    assert.match(counted, /slipstream_prefetch_scale_outs_total\{warm_before="true"\} 1/);
  });

  test('a schedule whose scale-out never comes is a false alarm, with what it cost', async () => {
    world.origin.addImage('shop/alarm', '1');
    const schedules = [{ cron: '5 0 * * *' }];
    const { clock, reconcile } = await world.policy('alarm', { triggers: { schedules } });
    const warmed = await reconcile();
    await clock.sleep(16 * MINUTE_MS);
    const alarm = await reconcile();
    assert.equal(decisionOf(alarm), 'Schedule TimeNear FalseAlarm');
    assert.equal(alarm.status?.evidence?.wastedBytes, warmed.status?.images?.[0]?.bytes);
  });

  test('a new artifact is warmed before a rollout reaches it, and foretells no scale-out', async () => {
    const { origin, seed } = world;
    origin.addImage('shop/versions', '1');
    const next = origin.addImage('shop/versions', '2-nydus', { layers: [Buffer.alloc(3000, 7)] });
    const { clock, deps, reconcile } = await world.policy('versions', { triggers: { newVersion: true } });
    assert.equal((await reconcile()).status?.decision, undefined, 'what runs is no artifact yet');

    deps.images.upsert(
      acceleratedImage('versions-2', {
        metadata: { namespace: 'default' },
        spec: { source: { image: `${origin.host}/shop/versions:2` } },
        status: {
          artifact: {
            image: `${origin.host}/shop/versions:2-nydus@${next.digest}`,
            digest: next.digest,
            sourceDigest: next.digest,
            format: 'RafsV6',
            builder: 'v2.2.0',
            convertedAt: '2026-01-01T00:00:00Z',
            platforms: [],
          },
          conditions: [
            { type: 'Ready', status: 'True', reason: 'Ready', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
          ],
        },
      }),
    );
    deps.newArtifacts.add('default/versions');
    const warmed = await reconcile();
    assert.equal(decisionOf(warmed), 'NewVersion NewArtifact Prepared');
    const layers = next.platforms[0]?.manifest.layers.map(({ digest }) => digest.replace('sha256:', '')) ?? [];
    assert.ok(layers.length > 0 && layers.every((hex) => seed.pieces.has(hex)));
    assert.equal(warmed.status?.evidence?.falseAlarms, 0);

    await clock.sleep(MINUTE_MS);
    const asked = seed.requests.length;
    deps.newArtifacts.add('default/versions');
    assert.equal((await reconcile()).status?.decision?.at, warmed.status?.decision?.at);
    assert.ok(
      seed.requests.slice(asked).every(({ prefetch }) => !prefetch),
      'what is warm is not warmed again',
    );
  });

  test('a node that joins has what its Pods will pull warmed', async () => {
    world.origin.addImage('shop/joined', '1');
    const { clock, deps, reconcile } = await world.policy('joined', { triggers: { newNode: true } });
    assert.equal((await reconcile()).status?.decision, undefined);
    deps.nodes.upsert(node('node-2', { metadata: { creationTimestamp: clock.now().toISOString() } }));
    const warmed = await reconcile();
    assert.equal(decisionOf(warmed), 'NewNode NodeJoined Prepared');
    assert.equal(conditionOf(warmed, 'Warm'), 'True Warm');
  });

  test('DryRun decides, records how much notice there was, and warms nothing', async () => {
    const { origin, seed } = world;
    origin.addImage('shop/dry', '1');
    const asked = seed.requests.length;
    const { clock, reconcile } = await world.policy('dry', { mode: 'DryRun' });
    assert.equal(decisionOf(await reconcile(metric(95))), 'Autoscaler ThresholdPassed open');
    await clock.sleep(30_000);
    const scaled = await reconcile({ desiredReplicas: 2, lastScaleTime: clock.now().toISOString() });
    assert.equal(decisionOf(scaled), 'Autoscaler ThresholdPassed Foreseen');
    assert.equal(scaled.status?.evidence?.noticeP50, '30.0s');
    assert.equal(seed.requests.length, asked);
  });
});

describe('forecasts of a real Prometheus', () => {
  const started = performance.now();
  let prometheus: PrometheusUnderTest;
  before(async () => {
    // A load that rises by ten each second: what 100 of it need a Pod for comes to six and more within a minute.
    prometheus = await startPrometheus(() => (performance.now() - started) / 100);
    await until('Prometheus has read the load three times', async () => {
      const query = 'scalar(count_over_time(load[1m]))';
      return (await queryNumber(prometheus, query, AbortSignal.timeout(5000))) >= 3;
    });
  });
  after(async () => await prometheus?.[Symbol.asyncDispose]());

  async function forecast(name: string, prometheusQuery: string): Promise<PrefetchPolicy> {
    world.origin.addImage(`shop/${name}`, '1');
    const triggers = { forecast: { prometheusQuery, horizon: '1m' } };
    const { deps, reconcile } = await world.policy(name, { triggers });
    deps.prometheus = prometheus;
    return await reconcile();
  }

  test('a load that rises is followed to the horizon, and warmed for', async () => {
    const policy = await forecast('rising', 'ceil(predict_linear(load[1m], $horizon) / 100)');
    assert.equal(decisionOf(policy), 'Forecast ReplicasForecast open');
    assert.equal(policy.status?.replicas, '1→5');
    assert.equal(conditionOf(policy, 'Warm'), 'True Warm');
  });

  const cases: [name: string, query: string, ready: string, message: RegExp][] = [
    ['matrix', 'load[1m]', 'False ForecastInvalid', /gives a matrix, and one number is needed/],
    ['unparsable', 'sum(', 'False ForecastInvalid', /answered 400 to the query: .*parse error/],
    ['many', '{__name__=~"load|up"}', 'False ForecastInvalid', /gives 2 series, and one number is needed/],
    ['nan', '0 / 0', 'False ForecastUnavailable', /gives NaN/],
    ['nothing', 'there_is_no_such_metric', 'False ForecastUnavailable', /gives nothing/],
  ];
  for (const [name, query, ready, message] of cases) {
    test(`${name}: a query that gives no number is a reason on the policy, and nothing is decided`, async () => {
      const policy = await forecast(name, query);
      assert.equal(conditionOf(policy, 'Ready'), ready);
      assert.match(policy.status?.conditions?.find(({ type }) => type === 'Ready')?.message ?? '', message);
      assert.equal(policy.status?.decision, undefined);
    });
  }

  test('a Prometheus that does not answer is a reason on the policy', async () => {
    const { deps, reconcile } = await world.policy('silent', { triggers: { forecast: { prometheusQuery: 'load' } } });
    deps.prometheus = { url: 'http://127.0.0.1:1' };
    assert.equal(conditionOf(await reconcile(), 'Ready'), 'False ForecastUnavailable');
  });
});

describe('bad input', () => {
  /** Passes over a policy whose metric has just passed its threshold. */
  async function passOver(name: string, triggers: object): Promise<PrefetchPolicy> {
    world.origin.addImage(`shop/${name}`, '1');
    const { reconcile } = await world.policy(name, { triggers });
    return await reconcile(metric(95));
  }

  const cases: { name: string; triggers: object; ready: string; message: RegExp }[] = [
    {
      name: 'never',
      triggers: { schedules: [{ cron: '0 0 30 2 *' }] },
      ready: 'False ScheduleInvalid',
      message: /schedule "0 0 30 2 \*" never comes/,
    },
    {
      name: 'no-zone',
      triggers: { schedules: [{ cron: '0 8 * * *', timeZone: 'Mars/Olympus' }] },
      ready: 'False ScheduleInvalid',
      message: /in Mars\/Olympus: /,
    },
    {
      name: 'no-prometheus',
      triggers: { forecast: { prometheusQuery: 'vector(3)' } },
      ready: 'False ForecastInvalid',
      message: /names no Prometheus .* set prometheus\.url/,
    },
  ];
  for (const { name, triggers, ready, message } of cases) {
    test(`${name}: the reason stands on the policy, and its other triggers warm all the same`, async () => {
      const policy = await passOver(name, triggers);
      assert.equal(conditionOf(policy, 'Ready'), ready);
      assert.match(policy.status?.conditions?.find(({ type }) => type === 'Ready')?.message ?? '', message);
      assert.equal(conditionOf(policy, 'Warm'), 'True Warm');
    });
  }

  test('an autoscaler without metrics is a reason on the policy, in the words of the autoscaler', async () => {
    const { reconcile } = await world.policy('blind');
    const condition = { type: 'ScalingActive', status: 'False', reason: 'FailedGetResourceMetric' };
    const policy = await reconcile({
      conditions: [{ ...condition, message: 'no metrics returned', lastTransitionTime: '2026-01-01T00:00:00Z' }],
    });
    assert.equal(conditionOf(policy, 'Ready'), 'False MetricsMissing');
  });

  test('a target without replicas is said, and its Pods start all the same', async () => {
    const { reconcile } = await world.policy('asleep');
    const policy = await reconcile({ currentReplicas: 0, desiredReplicas: 0 });
    assert.equal(conditionOf(policy, 'Ready'), 'True ScaledToZero');
    const containers = [{ name: 'web', image: `${world.origin.host}/shop/asleep:1` }];
    await world.client.create(pods, { metadata: { namespace: 'default', name: 'asleep' }, spec: { containers } });
  });
});
