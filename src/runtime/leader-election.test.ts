import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeLease, conflict } from '../../test/support/fake-lease.ts';
import type { Clock } from './clock.ts';
import { LeaderElector, LostLeaseError } from './leader-election.ts';

const log = pino({ level: 'silent' });
const HOUR = 3_600_000;
/** The longest a candidate that does not lead waits between two tries. */
const LONGEST_RETRY = 2_000 * 2.2;

let clock: FakeClock;

beforeEach(() => {
  mock.method(Math, 'random', () => 0.5);
  clock = new FakeClock();
});

afterEach(() => mock.restoreAll());

/** The same time on a machine whose wall clock is off by `ms`. */
function skewed(ms: number): Clock {
  return {
    now: () => new Date(clock.now().getTime() + ms),
    monotonic: () => clock.monotonic() + ms,
    sleep: (delay, signal) => clock.sleep(delay, signal),
    after: (delay, run) => clock.after(delay, run),
  };
}

interface Candidate {
  elector: LeaderElector;
  /** What became of it, in order. */
  events: string[];
  leading: AbortSignal | undefined;
  stop: () => Promise<void>;
}

function stand(t: TestContext, lease: FakeLease, identity: string, its: Clock = clock): Candidate {
  const elector = new LeaderElector({ lock: lease.lock(identity), identity, clock: its, log });
  const abort = new AbortController();
  const candidate: Candidate = { elector, events: [], leading: undefined, stop: async () => undefined };
  const running = elector
    .run(abort.signal, {
      onStartedLeading: (signal) => {
        candidate.leading = signal;
        candidate.events.push('started');
      },
      onStoppedLeading: () => candidate.events.push('stopped'),
    })
    .then(
      () => candidate.events.push('resolved'),
      (error: unknown) =>
        candidate.events.push(error instanceof LostLeaseError ? 'lost' : `rejected: ${String(error)}`),
    );
  candidate.stop = async () => {
    abort.abort();
    await running;
  };
  t.after(candidate.stop);
  return candidate;
}

describe('acquiring', () => {
  test('acquire from no object: creates the lease', async (t) => {
    const lease = new FakeLease();
    const { elector, events } = stand(t, lease, 'baz');
    await settle();
    assert.deepEqual(events, ['started']);
    assert.equal(elector.isLeader, true);
    assert.deepEqual(lease.record, {
      holderIdentity: 'baz',
      leaseDurationSeconds: 15,
      acquireTime: clock.now(),
      renewTime: clock.now(),
      leaseTransitions: 0,
    });
  });

  test('acquire from unled object: takes it at once and counts the transition', async (t) => {
    const lease = new FakeLease({ holderIdentity: '', leaseTransitions: 4 });
    stand(t, lease, 'baz');
    await settle();
    assert.equal(lease.record?.holderIdentity, 'baz');
    assert.equal(lease.record?.leaseTransitions, 5);
  });

  test('acquire from led object: only when it has not changed for as long as its holder said', async (t) => {
    const lease = new FakeLease({ holderIdentity: 'bing', leaseDurationSeconds: 3 });
    const { elector, events } = stand(t, lease, 'baz');
    await clock.advance(2_999);
    assert.deepEqual(events, []);
    assert.equal(elector.leader, 'bing');
    await clock.advance(LONGEST_RETRY + 1);
    assert.deepEqual(events, ['started']);
    assert.equal(lease.record?.leaseTransitions, 1);
  });

  test('the lease of a former run is not taken for an own one by another identity', async (t) => {
    const lease = new FakeLease({ holderIdentity: 'baz-1' });
    const { events } = stand(t, lease, 'baz-2');
    await clock.advance(14_999);
    assert.deepEqual(events, []);
  });

  test('keeps trying while the API server cannot be reached', async (t) => {
    const lease = new FakeLease();
    lease.before = () => {
      throw new Error('connection refused');
    };
    const { events } = stand(t, lease, 'baz');
    await clock.advance(60_000);
    assert.deepEqual(events, []);
    lease.before = () => undefined;
    await clock.advance(LONGEST_RETRY);
    assert.deepEqual(events, ['started']);
  });

  test('a request that hangs is given up, and the next one may succeed', async (t) => {
    const lease = new FakeLease();
    lease.before = () => new Promise(() => {});
    const { events } = stand(t, lease, 'baz');
    await clock.advance(9_999);
    lease.before = () => undefined;
    assert.deepEqual(events, []);
    await clock.advance(1 + LONGEST_RETRY);
    assert.deepEqual(events, ['started']);
  });

  test('conflict on update: of two that reach for the lease at once one leads', async (t) => {
    const lease = new FakeLease({ holderIdentity: '' });
    const both = ['one', 'two'].map((name) => stand(t, lease, name));
    await clock.advance(60_000);
    assert.deepEqual(
      both.map(({ events }) => events),
      [['started'], []],
    );
    assert.equal(lease.record?.holderIdentity, 'one');
  });

  test('stopped before it leads, it resolves and leaves the lease alone', async (t) => {
    const lease = new FakeLease({ holderIdentity: 'bing' });
    const { events, stop } = stand(t, lease, 'baz');
    await clock.advance(5_000);
    await stop();
    assert.deepEqual(events, ['resolved']);
    assert.equal(lease.record?.holderIdentity, 'bing');
    assert.equal(clock.timers, 0);
  });
});

describe('holding', () => {
  test('is not held by others while the leader is seen to renew', async (t) => {
    const lease = new FakeLease();
    const leader = stand(t, lease, 'leader');
    const other = stand(t, lease, 'other');
    await clock.advance(HOUR);
    assert.deepEqual([leader.events, other.events], [['started'], []]);
    assert.equal(other.elector.leader, 'leader');
    assert.equal(lease.record?.leaseTransitions, 0);
  });

  test('renewing moves renewTime on and keeps acquireTime', async (t) => {
    const lease = new FakeLease();
    const acquired = clock.now();
    stand(t, lease, 'baz');
    await clock.advance(20_000);
    assert.deepEqual(lease.record?.acquireTime, acquired);
    assert.deepEqual(lease.record?.renewTime, clock.now());
  });

  test('exercise fast path after lock acquired: the leader writes without reading', async (t) => {
    const lease = new FakeLease();
    stand(t, lease, 'baz');
    await clock.advance(2_000);
    assert.deepEqual(lease.calls, ['baz get', 'baz create', 'baz update', 'baz update']);
  });

  test('fallback to slow path after fast path fails: reads, then writes', async (t) => {
    const lease = new FakeLease();
    stand(t, lease, 'baz');
    await settle();
    lease.calls.length = 0;
    lease.put({});
    await clock.advance(2_000);
    assert.deepEqual(lease.calls, ['baz update', 'baz get', 'baz update']);
  });

  for (const skew of [-HOUR, HOUR]) {
    test(`skewed clocks do no harm: another candidate that is ${skew / HOUR} h off neither takes over early nor never`, async (t) => {
      const lease = new FakeLease();
      const leader = stand(t, lease, 'leader');
      const other = stand(t, lease, 'other', skewed(skew));
      await clock.advance(HOUR);
      assert.deepEqual(other.events, []);
      lease.before = (_verb, caller) => {
        if (caller === 'leader') {
          throw new Error('no route to host');
        }
      };
      // Seen a retry late, noticed a retry late.
      await clock.advance(15_000 + 2 * LONGEST_RETRY);
      assert.deepEqual([leader.events, other.events], [['started', 'stopped', 'lost'], ['started']]);
    });
  }

  test('a wall clock that jumps does the leader no harm', async (t) => {
    const lease = new FakeLease();
    const { events } = stand(t, lease, 'baz');
    const other = stand(t, lease, 'other');
    clock.jump(HOUR);
    await clock.advance(30_000);
    clock.jump(-2 * HOUR);
    await clock.advance(30_000);
    assert.deepEqual([events, other.events], [['started'], []]);
  });
});

describe('losing', () => {
  const unreachable = (): never => {
    throw new Error('no route to host');
  };

  test('renew failure past the deadline: rejects with LostLeaseError and keeps off the lock', async (t) => {
    const lease = new FakeLease();
    const { elector, events, leading } = await led(t, lease);
    lease.before = unreachable;
    await clock.advance(2_000 + 9_999);
    assert.deepEqual(events, ['started']);
    await clock.advance(1);
    assert.deepEqual(events, ['started', 'stopped', 'lost']);
    assert.deepEqual([elector.isLeader, leading?.aborted], [false, true]);
    const calls = lease.calls.length;
    await clock.advance(60_000);
    assert.equal(lease.calls.length, calls);
    assert.equal(clock.timers, 0);
  });

  test('a renewal that hangs past the deadline is one that failed', async (t) => {
    const lease = new FakeLease();
    const { events } = await led(t, lease);
    lease.before = () => new Promise(() => {});
    await clock.advance(12_000);
    assert.deepEqual(events, ['started', 'stopped', 'lost']);
  });

  test('an outage within the deadline is none', async (t) => {
    const lease = new FakeLease();
    const { events } = await led(t, lease);
    lease.before = unreachable;
    await clock.advance(9_000);
    lease.before = () => undefined;
    await clock.advance(60_000);
    assert.deepEqual(events, ['started']);
  });

  test('nobody else leads before the leader that was cut off has stopped', async (t) => {
    const lease = new FakeLease();
    const leader = await led(t, lease);
    const other = stand(t, lease, 'other');
    await clock.advance(7_000);
    lease.before = (_verb, caller) => (caller === 'baz' ? unreachable() : undefined);
    for (let ms = 0; other.events.length === 0; ms += 100) {
      assert.ok(ms < 60_000, 'the other one takes over at last');
      await clock.advance(100);
    }
    assert.deepEqual(leader.events, ['started', 'stopped', 'lost']);
  });

  test('a lease that somebody else took is lost, not fought for', async (t) => {
    const lease = new FakeLease();
    const { events } = await led(t, lease);
    const usurp = setUsurper(lease);
    await clock.advance(12_000);
    usurp.stop();
    assert.deepEqual(events, ['started', 'stopped', 'lost']);
    assert.equal(lease.record?.holderIdentity, 'usurper');
  });

  async function led(t: TestContext, lease: FakeLease): Promise<Candidate> {
    const candidate = stand(t, lease, 'baz');
    await settle();
    assert.deepEqual(candidate.events, ['started']);
    return candidate;
  }

  /** Somebody who writes the lease every second whatever it says. */
  function setUsurper(lease: FakeLease): { stop: () => void } {
    let stopped = false;
    const renew = (): void => {
      if (!stopped) {
        lease.put({ holderIdentity: 'usurper', renewTime: clock.now() });
        clock.after(1_000, renew);
      }
    };
    renew();
    return { stop: () => (stopped = true) };
  }
});

describe('release on cancel', () => {
  test('gives the lease up, for the next one to lead within a retry', async (t) => {
    const lease = new FakeLease();
    const leader = stand(t, lease, 'leader');
    const other = stand(t, lease, 'other');
    await clock.advance(10_000);
    await leader.stop();
    assert.deepEqual(leader.events, ['started', 'stopped', 'resolved']);
    assert.equal(lease.record?.holderIdentity, '');
    assert.equal(lease.record?.leaseDurationSeconds, 1);
    await clock.advance(LONGEST_RETRY);
    assert.deepEqual(other.events, ['started']);
  });

  test('cancelled during a renewal that still arrives, it reads the lease again before it gives it up', async (t) => {
    const lease = new FakeLease();
    const leader = stand(t, lease, 'leader');
    await settle();
    const arrived = Promise.withResolvers<void>();
    lease.before = (verb) => (verb === 'update' ? arrived.promise : undefined);
    await clock.advance(2_000);
    lease.before = () => undefined;
    const stopping = leader.stop();
    lease.put({ renewTime: clock.now() });
    await stopping;
    assert.equal(lease.record?.holderIdentity, '');
  });

  test('retries on conflict', async (t) => {
    const lease = new FakeLease();
    const leader = stand(t, lease, 'leader');
    await settle();
    let conflicts = 2;
    lease.before = (verb) => {
      if (verb === 'update' && conflicts-- > 0) {
        throw conflict();
      }
    };
    await leader.stop();
    assert.equal(lease.record?.holderIdentity, '');
  });

  test('leaves a lease alone that is not its own any more', async (t) => {
    const lease = new FakeLease();
    const leader = stand(t, lease, 'leader');
    await settle();
    lease.put({ holderIdentity: 'other' });
    await leader.stop();
    assert.equal(lease.record?.holderIdentity, 'other');
    assert.deepEqual(leader.events, ['started', 'stopped', 'resolved']);
  });

  test('resolves also when the lease cannot be given up', async (t) => {
    const lease = new FakeLease();
    const leader = stand(t, lease, 'leader');
    await settle();
    lease.before = () => new Promise(() => {});
    const stopping = leader.stop();
    await clock.advance(10_000);
    await stopping;
    assert.deepEqual(leader.events, ['started', 'stopped', 'resolved']);
    assert.equal(clock.timers, 0);
  });
});

describe('configuration', () => {
  const valid = { identity: 'baz', leaseDuration: 15_000, renewDeadline: 10_000, retryPeriod: 2_000 };

  for (const [what, wrong] of [
    ['leaseDuration that is not above renewDeadline', { leaseDuration: 10_000 }],
    ['renewDeadline that is not above 1.2 times retryPeriod', { renewDeadline: 2_400 }],
    ['retryPeriod of nothing', { retryPeriod: 0 }],
    ['times that are none', { leaseDuration: Number.NaN }],
    ['an empty identity', { identity: '' }],
  ] as const) {
    test(`refuses ${what}`, () => {
      const lock = new FakeLease().lock('baz');
      assert.doesNotThrow(() => new LeaderElector({ lock, clock, log, ...valid }));
      assert.throws(() => new LeaderElector({ lock, clock, log, ...valid, ...wrong }), /leader election needs/);
    });
  }
});
