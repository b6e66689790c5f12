import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { at, decision, newPod, OLD_REPLICA_SET } from '../../../test/support/scaleout.ts';
import { recorded, type Instant } from '../../scaleout/instant.ts';
import { advance } from '../../scaleout/pods.ts';
import { timelineOf, type Timeline } from '../../scaleout/timeline.ts';
import { scaleOutMetrics } from './metrics.ts';

function timeline(warmVerifiedAt: string | undefined, ready: string): Timeline {
  const pod = newPod('a', { created: '00:46', started: '00:47', ready, owner: OLD_REPLICA_SET });
  const scaled: Instant | undefined = recorded(at('00:45'));
  const pods = [advance(undefined, pod, undefined)];
  return timelineOf({ decision: decision({ warmVerifiedAt }), scaled, replicas: { from: 1, to: 2 }, pods });
}

async function samples(registry: Registry): Promise<ReadonlyMap<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

test('a lead is negative where the warm came too late, and the share of those that were in time can be read', async () => {
  const registry = new Registry();
  const metrics = scaleOutMetrics(registry);
  metrics.observe('ready', timeline(at('00:06.000'), '00:48'));
  metrics.observe('ready', timeline(at('00:56.000'), '00:48'));
  const read = await samples(registry);
  assert.equal(read.get('slipstream_scaleout_lead_seconds_bucket{le="-15"}'), 0);
  assert.equal(read.get('slipstream_scaleout_lead_seconds_bucket{le="-5"}'), 1);
  assert.equal(read.get('slipstream_scaleout_lead_seconds_bucket{le="0"}'), 1);
  assert.equal(read.get('slipstream_scaleout_lead_seconds_bucket{le="45"}'), 2);
  assert.equal(read.get('slipstream_scaleout_lead_seconds_sum'), 30);
});

test('a phase is never negative, whatever clocks say, and one that is not known is not counted', async () => {
  const registry = new Registry();
  scaleOutMetrics(registry).observe('ready', timeline(undefined, '00:40'));
  const read = await samples(registry);
  assert.equal(read.get('slipstream_scaleout_phase_seconds_sum{phase="pod_created_to_ready"}'), 0);
  assert.equal(read.get('slipstream_scaleout_phase_seconds_count{phase="pod_created_to_ready"}'), 1);
  assert.equal(read.get('slipstream_scaleout_phase_seconds_sum{phase="scaled_to_pod_created"}'), 1);
  assert.equal(read.get('slipstream_scaleout_phase_seconds_count{phase="warm"}'), undefined);
  assert.equal(read.get('slipstream_scaleout_lead_seconds_count'), 0);
});

test('what was not watched is counted and not measured', async () => {
  const registry = new Registry();
  scaleOutMetrics(registry).observe('skipped', timeline(at('00:06.000'), '00:48'));
  const read = await samples(registry);
  assert.equal(read.get('slipstream_scaleouts_total{result="skipped"}'), 1);
  assert.equal(read.get('slipstream_scaleout_lead_seconds_count'), 0);
});
