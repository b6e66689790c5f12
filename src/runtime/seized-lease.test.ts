import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { conflict, FakeLease } from '../../test/support/fake-lease.ts';
import { LeaderElector, LostLeaseError } from './leader-election.ts';
import { seizeLease, type SeizedLease } from './seized-lease.ts';

const log = pino({ level: 'silent' });
const { signal } = new AbortController();

/** A candidate that runs until the test ends. */
function candidate(t: TestContext, lease: FakeLease, clock: FakeClock, identity: string) {
  const stop = new AbortController();
  const elector = new LeaderElector({ lock: lease.lock(identity), identity, clock, log });
  const ended = elector.run(stop.signal, { onStartedLeading: () => undefined }).catch((error: unknown) => error);
  t.after(async () => {
    stop.abort();
    await clock.advance(0);
  });
  return { elector, ended };
}

/** Seizes the lease for a minute; says when that is done. */
function seize(lease: FakeLease, clock: FakeClock) {
  const seizure: { done?: SeizedLease } = {};
  const options = { lock: lease.lock('hook'), identity: 'hook', holdSeconds: 60, clock };
  const ended = seizeLease(options, signal).then((done) => (seizure.done = done));
  return { seizure, ended };
}

test('whoever leads has given up by the time that its lease is seized, and no other candidate leads', async (t) => {
  const clock = new FakeClock();
  const lease = new FakeLease();
  const leader = candidate(t, lease, clock, 'leader');
  await clock.advance(0);
  const other = candidate(t, lease, clock, 'other');
  await clock.advance(30_000);
  assert.deepEqual([leader.elector.isLeader, other.elector.isLeader], [true, false]);

  const { seizure, ended } = seize(lease, clock);
  for (let seconds = 0; seizure.done === undefined && seconds < 60; seconds += 1) {
    await clock.advance(1000);
  }
  await ended;
  assert.deepEqual([leader.elector.isLeader, other.elector.isLeader], [false, false]);
  assert.ok((await leader.ended) instanceof LostLeaseError);
  assert.equal(lease.record?.holderIdentity, 'hook');
});

test('a candidate leads again by itself once the lease is not renewed for its time', async (t) => {
  const clock = new FakeClock();
  const lease = new FakeLease({ holderIdentity: '' });
  const { ended } = seize(lease, clock);
  const seized = await ended;
  const { elector } = candidate(t, lease, clock, 'restarted');
  await clock.advance(50_000);
  await seized.renew(signal);
  await clock.advance(50_000);
  assert.equal(elector.isLeader, false);
  await clock.advance(20_000);
  assert.equal(elector.isLeader, true);
  await assert.rejects(seized.renew(signal), /has been modified/);
});

test('a lease that nobody holds, or that is not there yet, is had at once, however often somebody writes meanwhile', async () => {
  const clock = new FakeClock();
  for (const lease of [new FakeLease(), new FakeLease({ holderIdentity: '', leaseTransitions: 4 })]) {
    let conflicts = 3;
    lease.before = (verb) => {
      if (verb !== 'get' && (conflicts -= 1) >= 0) {
        throw conflict();
      }
    };
    await seize(lease, clock).ended;
    assert.equal(lease.record?.holderIdentity, 'hook');
  }
});

test('a lease that may not be taken is an error', async () => {
  const lease = new FakeLease({ holderIdentity: 'leader' });
  lease.before = (verb) => {
    if (verb === 'update') {
      throw Object.assign(new Error('forbidden'), { code: 403 });
    }
  };
  await assert.rejects(seize(lease, new FakeClock()).ended, /forbidden/);
});
