import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { stopHolding } from '../../src/controllers/hold/stop.ts';
import { events, leases, pods, type Pod } from '../../src/kube/resources.ts';
import { HurriedClock } from '../support/hurried-clock.ts';
import { until } from '../support/until.ts';
import { startHoldWorld, TEAM, type HoldWorld } from './hold-world.ts';

const GATE = 'slipstream.dev/hold';
const LEASE = { namespace: 'slipstream-system', name: 'slipstream-release' };

let world: HoldWorld;
before(async () => {
  world = await startHoldWorld();
});
after(async () => await world?.[Symbol.asyncDispose]());

function gatesOf({ spec }: Pod): string[] {
  return (spec?.schedulingGates ?? []).map(({ name }) => name);
}

async function metricsOf(): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${world.operator.healthPort}/metrics`)).text();
}

async function released(pod: Pod, left: readonly string[] = []): Promise<void> {
  await until(`${pod.metadata.name} is released`, async () => {
    assert.deepEqual(await world.gates(pod), left);
    return true;
  });
  const { metadata } = await world.operator.client.get(pods, { namespace: TEAM, name: pod.metadata.name });
  assert.equal(metadata.labels?.[GATE], undefined);
}

test('while the Lease of the releaser is one that nobody renews, no Pod waits, and the policy says why', async () => {
  const spec = { holderIdentity: 'gone', renewTime: '2026-01-01T00:00:00.000000Z' };
  await world.operator.client.create(leases, { metadata: LEASE, spec });
  await world.workload('alone', '1m');
  world.way.shut();
  await world.scaleOut('alone');
  await until(
    'a warm is under way',
    async () => (await world.policy('alone')).status?.images?.[0]?.state === 'Warming',
  );
  assert.deepEqual(gatesOf(await world.pod('alone')), []);
  const { conditions = [] } = (await world.policy('alone')).status ?? {};
  const holding = conditions.find(({ type }) => type === 'Holding');
  assert.deepEqual([holding?.status, holding?.reason], ['False', 'ReleaserMissing']);
  world.way.open();
});

test('the Pods of a scale-out wait until the first seed peer has their images, and no longer', async () => {
  await world.startReleaser();
  await world.workload('web', '5m');
  assert.deepEqual(gatesOf(await world.pod('web')), [], 'no scale-out is near');
  world.way.shut();
  await world.scaleOut('web');
  await until('a warm is under way', async () => (await world.policy('web')).status?.images?.[0]?.state === 'Warming');

  const pod = await world.pod('web');
  assert.deepEqual(gatesOf(pod), [GATE]);
  assert.equal(pod.metadata.labels?.[GATE], '5m');
  const guarded = await world.pod('web', { schedulingGates: [{ name: 'example.com/quota' }] });
  assert.deepEqual(gatesOf(guarded), ['example.com/quota', GATE]);
  const tried = await world.pod('web', {}, true);
  assert.deepEqual(gatesOf(tried), [GATE], 'a dry run is told the same');
  assert.match(await metricsOf(), /^slipstream_holds_total 2$/m, 'and is not counted');
  const settled = await world.pod('web', { nodeName: 'node-1' });
  assert.deepEqual(gatesOf(settled), [], 'it has its node');
  const other = await world.pod('web', { containers: [{ name: 'web', image: 'registry.test/other:1' }] });
  assert.deepEqual(gatesOf(other), [], 'its image is not what is warmed');

  world.way.openFirst();
  await released(pod);
  await released(guarded, ['example.com/quota']);
  const [image] = (await world.policy('web')).status?.images ?? [];
  assert.deepEqual([image?.state, image?.firstSeedAt === undefined], ['Warming', false], 'the second seed has it not');
  assert.deepEqual(gatesOf(await world.pod('web')), [], 'nothing is left to wait for');
  assert.match(await metricsOf(), /^slipstream_hold_releases_total\{reason="Warm"\} 2$/m);
  world.way.open();
  await until('it is warm', async () => (await world.policy('web')).status?.images?.[0]?.state === 'Warm');
});

test('a Pod whose warm does not end goes on after maxDuration, and is told so', async () => {
  await world.workload('slow', '2s');
  world.way.shut();
  await world.scaleOut('slow');
  await until('a warm is under way', async () => (await world.policy('slow')).status?.images?.[0]?.state === 'Warming');
  const pod = await world.pod('slow');
  assert.deepEqual(gatesOf(pod), [GATE]);
  await released(pod);
  const [image] = (await world.policy('slow')).status?.images ?? [];
  assert.deepEqual([image?.state, image?.firstSeedAt], ['Warming', undefined]);
  await until('an Event tells of it', async () => {
    const { items } = await world.operator.client.list(events, { namespace: TEAM });
    return items.some(({ reason, regarding }) => reason === 'HoldTimedOut' && regarding?.name === pod.metadata.name);
  });
  world.way.open();
});

test('Pods that wait go on at once when the policy is suspended', async () => {
  await world.workload('given-up', '5m');
  world.way.shut();
  await world.scaleOut('given-up');
  await until('it holds', async () => gatesOf(await world.pod('given-up', {}, true)).length > 0);
  const pod = await world.pod('given-up');
  assert.deepEqual(gatesOf(pod), [GATE]);
  const path = `/apis/slipstream.dev/v1alpha1/namespaces/${TEAM}/prefetchpolicies/given-up`;
  const contentType = 'application/merge-patch+json';
  await world.operator.client.raw('PATCH', path, { body: { spec: { suspend: true } }, contentType });
  await released(pod);
  world.way.open();
});

test('when the operator is gone the releaser lets Pods go, and when holding is turned off all of them at once', async () => {
  await world.workload('orphan', '3s');
  await world.workload('leftover', '5m');
  world.way.shut();
  await world.scaleOut('orphan');
  await world.scaleOut('leftover');
  for (const name of ['orphan', 'leftover']) {
    await until(`${name} holds`, async () => gatesOf(await world.pod(name, {}, true)).length > 0);
  }
  const leftover = await world.pod('leftover');
  const orphan = await world.pod('orphan');
  world.operator.stop();
  assert.deepEqual([gatesOf(orphan), gatesOf(leftover)], [[GATE], [GATE]]);
  await released(orphan);
  assert.deepEqual(await world.gates(leftover), [GATE], 'its time is not up');

  const { client } = world.operator;
  const clock = new HurriedClock();
  await stopHolding({ client, clock, log: pino({ level: 'silent' }) }, LEASE, AbortSignal.timeout(60_000));
  assert.deepEqual(await world.gates(leftover), []);
  await assert.rejects(client.get(leases, LEASE), /not found/);
});
