import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { FakeListWatch } from '../../../test/support/fake-list-watch.ts';
import { heldPod } from '../../../test/support/holding.ts';
import { applyPatch } from '../../../test/support/json-patch.ts';
import { NOW } from '../../../test/support/rewriting.ts';
import { KubeError } from '../../kube/errors.ts';
import type { Pod } from '../../kube/resources.ts';
import { ReleaseReason } from '../../holding/reasons.ts';
import { Informer } from '../../runtime/informer.ts';
import type { ListWatch } from '../../runtime/reflector.ts';
import { createReleaser, type Releaser, type ReleaserOptions } from './releaser.ts';

const log = pino({ level: 'silent' });

interface Fixture {
  clock: FakeClock;
  releaser: Releaser;
  /** Reasons for which Pods were let go. */
  released: string[];
  /** The Pod as the API server has it. */
  server: { pod: Pod | undefined; refuse: number; calls: number };
}

/** A releaser that has just seen a Pod that may wait for ten seconds. */
async function start(t: TestContext, options: Partial<ReleaserOptions> = {}, pod = heldPod()): Promise<Fixture> {
  const clock = new FakeClock(NOW);
  const server: Fixture['server'] = { pod, refuse: 0, calls: 0 };
  const answer = (code: number): KubeError => new KubeError('refused', { code, reason: 'Test' });
  const client = {
    async get() {
      if (server.pod === undefined) throw answer(404);
      return structuredClone(server.pod) as never;
    },
    async patch(_resource: unknown, _ref: unknown, operations: unknown) {
      server.calls += 1;
      if (server.refuse > 0) {
        server.refuse -= 1;
        throw answer(403);
      }
      if (server.pod === undefined) throw answer(404);
      try {
        return (server.pod = applyPatch(server.pod, operations as Parameters<typeof applyPatch>[1])) as never;
      } catch {
        throw answer(422);
      }
    },
  };
  const seen = structuredClone(pod);
  const listWatch = new FakeListWatch(() => ({ items: [seen], resourceVersion: '1' })) as unknown as ListWatch<Pod>;
  const pods = new Informer({ name: 'pods', listWatch, clock, log });
  const released: string[] = [];
  const releaser = createReleaser({
    client,
    pods,
    clock,
    log,
    roundingMs: 0,
    released: (_pod, reason, seconds) => void released.push(`${reason} ${seconds}`),
    ...options,
  });
  const stop = new AbortController();
  const running = Promise.all([pods.run(stop.signal), releaser.controller.run(stop.signal)]);
  t.after(async () => {
    stop.abort();
    await running;
  });
  await clock.advance(0);
  return { clock, releaser, released, server };
}

const gates = ({ server }: Fixture): number | undefined => server.pod?.spec?.schedulingGates?.length;

test('a Pod goes on when its time is up, not before, and that to the millisecond', async (t) => {
  const fixture = await start(t);
  await fixture.clock.advance(9999);
  assert.equal(gates(fixture), 1);
  await fixture.clock.advance(1);
  assert.equal(gates(fixture), 0);
  assert.deepEqual(fixture.released, ['HoldTimedOut 10']);
});

test('a Pod that was found late goes on when its time is up', async (t) => {
  const createdAt = new Date(NOW.getTime() - 8000).toISOString();
  const fixture = await start(t, {}, heldPod({ metadata: { creationTimestamp: createdAt } }));
  await fixture.clock.advance(2000);
  assert.deepEqual(fixture.released, ['HoldTimedOut 10']);
});

test('a clock that is set back has no Pod wait longer', async (t) => {
  const fixture = await start(t);
  fixture.clock.jump(-3_600_000);
  await fixture.clock.advance(10_000);
  assert.equal(gates(fixture), 0);
});

test('a Pod goes on within a second of there being nothing to wait for', async (t) => {
  const verdict: { reason?: ReleaseReason } = {};
  const fixture = await start(t, { judge: () => verdict.reason });
  await fixture.clock.advance(3000);
  assert.equal(gates(fixture), 1);
  verdict.reason = ReleaseReason.Warm;
  await fixture.clock.advance(1000);
  assert.deepEqual(fixture.released, ['Warm 4']);
});

test('a Pod goes on at once when a change says so', async (t) => {
  const verdict: { reason?: ReleaseReason } = {};
  const fixture = await start(t, { judge: () => verdict.reason });
  verdict.reason = ReleaseReason.NotAsked;
  fixture.releaser.lookAgain('team-a');
  await fixture.clock.advance(0);
  assert.deepEqual(fixture.released, ['NotAsked 0']);
});

test('that nobody can judge a Pod does not have it wait longer', async (t) => {
  const judge = (): never => {
    throw new Error('a fault');
  };
  const fixture = await start(t, { judge });
  await fixture.clock.advance(12_000);
  assert.equal(gates(fixture), 0);
});

test('what the API server refuses is tried again until it is done, and is overdue meanwhile', async (t) => {
  const fixture = await start(t);
  fixture.server.refuse = 12;
  await fixture.clock.advance(16_000);
  assert.equal(gates(fixture), 1);
  assert.equal(fixture.releaser.overdue(5000).length, 1);
  await fixture.clock.advance(12_000);
  assert.equal(gates(fixture), 0);
  assert.equal(fixture.released.length, 1);
});

test('a Pod that is gone, or that another released, is left alone', async (t) => {
  const fixture = await start(t);
  fixture.server.pod = undefined;
  await fixture.clock.advance(60_000);
  assert.equal(fixture.server.calls, 1);
  const second = await start(t);
  second.server.pod = heldPod({ spec: { schedulingGates: [] } });
  await second.clock.advance(60_000);
  assert.deepEqual([second.server.calls, second.released], [1, []]);
});

test('another Pod that has taken the name in between is left alone', async (t) => {
  const fixture = await start(t);
  fixture.server.pod = heldPod({ metadata: { uid: 'another' } });
  await fixture.clock.advance(10_000);
  assert.equal(gates(fixture), 1);
  assert.deepEqual(fixture.released, []);
});

test('a gate that has moved, since another took theirs, is found', async (t) => {
  const gate = { name: 'slipstream.dev/hold' };
  const fixture = await start(t, {}, heldPod({ spec: { schedulingGates: [{ name: 'example.com/quota' }, gate] } }));
  fixture.server.pod = heldPod();
  await fixture.clock.advance(10_000);
  assert.equal(gates(fixture), 0);
  assert.equal(fixture.released.length, 1);
});
