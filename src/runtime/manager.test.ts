import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { pino } from 'pino';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeLease } from '../../test/support/fake-lease.ts';
import { aborted } from './abort.ts';
import { LeaderElector, LostLeaseError } from './leader-election.ts';
import { Manager } from './manager.ts';
import type { Group, ManagerOptions, Runnable } from './manager.ts';

const GROUPS: readonly Group[] = ['leader', 'always', 'webhook', 'cache', 'http'];
const STARTED = ['http starts', 'cache starts', 'webhook starts', 'always starts', 'leader starts'];
const STOPPED = ['leader stops', 'always stops', 'cache stops', 'webhook stops', 'http stops'];

let clock: FakeClock;
let events: string[];
let lines: string[];

beforeEach(() => {
  mock.method(Math, 'random', () => 0.5);
  clock = new FakeClock();
  events = [];
  lines = [];
});

afterEach(() => mock.restoreAll());

function managerOf(more: Partial<ManagerOptions> = {}): Manager {
  return new Manager({ clock, log: pino({}, { write: (line: string) => void lines.push(line) }), ...more });
}

/** A runnable that notes its start and its end. */
function runnable(name: string, more: Partial<Runnable> = {}): Runnable {
  return {
    name,
    run: async (signal) => {
      events.push(`${name} starts`);
      await aborted(signal);
      events.push(`${name} stops`);
    },
    ...more,
  };
}

/** A manager with one runnable in each group, named after it, but for those given. */
function fullManager(special: Partial<Record<Group, Runnable>> = {}, more: Partial<ManagerOptions> = {}): Manager {
  const manager = managerOf(more);
  for (const group of GROUPS) {
    manager.add(group, special[group] ?? runnable(group));
  }
  return manager;
}

function start(manager: Manager): { stop: () => void; done: Promise<void> } {
  const abort = new AbortController();
  const done = manager.start(abort.signal);
  // A test may look at the end only after it has come.
  done.catch(() => undefined);
  return { stop: () => abort.abort(new Error('SIGTERM')), done };
}

function electorOf(lease: FakeLease): LeaderElector {
  return new LeaderElector({ lock: lease.lock('me'), identity: 'me', clock, log: pino({ level: 'silent' }) });
}

describe('starting', () => {
  test('http, then caches, then webhook, then always, then leader, in whatever order they were added', async () => {
    const { stop, done } = start(fullManager());
    await settle();
    assert.deepEqual(events, STARTED);
    stop();
    await done;
  });

  test('the webhook waits until every cache has synced', async () => {
    const synced = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const manager = fullManager({ cache: runnable('cache', { ready: () => synced[0]?.promise ?? assert.fail() }) });
    manager.add('cache', runnable('cache2', { ready: () => synced[1]?.promise ?? assert.fail() }));
    const { stop, done } = start(manager);
    synced[0]?.resolve();
    await settle();
    assert.deepEqual(events, ['http starts', 'cache starts', 'cache2 starts']);
    synced[1]?.resolve();
    await settle();
    assert.deepEqual(events.slice(3), STARTED.slice(2));
    stop();
    await done;
  });

  test('ready only when all but the leader are', async () => {
    const synced = Promise.withResolvers<void>();
    const elector = electorOf(new FakeLease({ holderIdentity: 'other' }));
    const manager = fullManager({ always: runnable('always', { ready: () => synced.promise }) }, { elector });
    const { stop, done } = start(manager);
    await settle();
    assert.equal(manager.ready, false);
    synced.resolve();
    await settle();
    assert.equal(manager.ready, true);
    stop();
    await done;
  });

  test('stopped while a cache does not sync, it stops what it has started and resolves', async () => {
    const { stop, done } = start(fullManager({ cache: runnable('cache', { ready: () => new Promise(() => {}) }) }));
    await settle();
    stop();
    await done;
    assert.deepEqual(events, ['http starts', 'cache starts', 'cache stops', 'http stops']);
  });

  test('stopped before it begins, it starts nothing', async () => {
    await fullManager().start(AbortSignal.abort(new Error('SIGTERM')));
    assert.deepEqual(events, []);
  });

  test('nothing can be added after the start', async () => {
    const manager = fullManager();
    const { stop, done } = start(manager);
    assert.throws(() => manager.add('http', runnable('late')), /late was added after the manager had started/);
    stop();
    await done;
  });
});

describe('stopping', () => {
  test('readiness goes first, then leader, always, caches, webhook and http, one after the other', async () => {
    const manager: Manager = fullManager({
      leader: runnable('leader', {
        run: async (signal) => {
          await aborted(signal);
          events.push(`leader sees readiness ${manager.ready ? 'on' : 'off'}`);
          await clock.sleep(1_000);
          events.push('leader stops');
        },
      }),
    });
    const { stop, done } = start(manager);
    await settle();
    events.length = 0;
    stop();
    await settle();
    assert.deepEqual(events, ['leader sees readiness off']);
    await clock.advance(1_000);
    await done;
    assert.deepEqual(events.slice(1), STOPPED);
    assert.equal(clock.timers, 0);
  });

  test('http keeps serving while the webhook drains', async () => {
    const webhook = runnable('webhook', {
      run: async (signal) => {
        await aborted(signal);
        await clock.sleep(5_000);
      },
    });
    const { stop, done } = start(fullManager({ webhook }));
    await settle();
    stop();
    await clock.advance(4_999);
    assert.ok(!events.includes('http stops'));
    await clock.advance(1);
    await done;
    assert.equal(events.at(-1), 'http stops');
  });

  test('what does not stop in time is named, and the rest is told to stop all the same', async () => {
    const leader = runnable('leader', { run: () => new Promise(() => {}) });
    const { stop, done } = start(fullManager({ leader }, { stopTimeout: 20_000 }));
    await settle();
    stop();
    await clock.advance(20_000);
    await assert.rejects(done, /not stopped within 20 s: leader/);
    assert.deepEqual(
      events.filter((event) => event.endsWith('stops')),
      STOPPED.slice(1),
    );
  });

  test('an error while stopping is logged and does not keep the others from stopping', async () => {
    const cache = runnable('cache', {
      run: async (signal) => {
        await aborted(signal);
        throw new Error('could not close');
      },
    });
    const { stop, done } = start(fullManager({ cache }));
    await settle();
    stop();
    await done;
    assert.equal(events.at(-1), 'http stops');
    assert.match(lines.join(''), /could not close.*"runnable":"cache"/);
  });

  test('rejecting with the reason of the signal is a clean stop', async () => {
    const cache = runnable('cache', {
      run: async (signal) => {
        await aborted(signal);
        throw signal.reason;
      },
    });
    const { stop, done } = start(fullManager({ cache }));
    await settle();
    stop();
    await done;
    assert.doesNotMatch(lines.join(''), /failed/);
  });
});

describe('failing', () => {
  for (const group of GROUPS) {
    test(`an error of ${group} ends everything, with that error`, async () => {
      const failure = Promise.withResolvers<void>();
      const { done } = start(fullManager({ [group]: runnable(group, { run: () => failure.promise }) }));
      await settle();
      const error = new Error('port in use');
      failure.reject(error);
      await assert.rejects(done, error);
      const stopped = events.filter((event) => event.endsWith('stops'));
      assert.deepEqual(
        stopped,
        STOPPED.filter((event) => event !== `${group} stops`),
      );
    });
  }

  test('ending without being asked to is an error', async () => {
    const { done } = start(fullManager({ always: runnable('always', { run: async () => undefined }) }));
    await assert.rejects(done, /always ended by itself/);
  });

  test('a throw before run returns a promise is an error like any other', async () => {
    const run = (): never => {
      throw new Error('a bug');
    };
    await assert.rejects(start(fullManager({ webhook: runnable('webhook', { run }) })).done, /a bug/);
  });

  test('a runnable that cannot become ready ends the start, and nothing after it starts', async () => {
    const ready = (): Promise<void> => Promise.reject(new Error('no certificate'));
    await assert.rejects(start(fullManager({ webhook: runnable('webhook', { ready }) })).done, /no certificate/);
    assert.ok(!events.includes('always starts'));
    assert.equal(events.at(-1), 'http stops');
  });

  test('of several errors the first is told', async () => {
    const fail = (name: string, after: number): Runnable =>
      runnable(name, {
        run: async () => {
          await clock.sleep(after);
          throw new Error(`${name} failed`);
        },
      });
    const leader = runnable('leader', { run: () => clock.sleep(10) });
    const { done } = start(fullManager({ leader, cache: fail('cache', 1), webhook: fail('webhook', 5) }));
    await clock.advance(10);
    await assert.rejects(done, /cache failed/);
  });
});

describe('leader election', () => {
  test('only leader runnables wait for the lease; all replicas serve', async () => {
    const lease = new FakeLease({ holderIdentity: 'other', leaseDurationSeconds: 15 });
    const manager = fullManager({}, { elector: electorOf(lease) });
    const { stop, done } = start(manager);
    await clock.advance(10_000);
    assert.deepEqual(events, STARTED.slice(0, 4));
    assert.equal(manager.ready, true);
    await clock.advance(10_000);
    assert.deepEqual(events, STARTED);
    stop();
    await done;
  });

  test('stopped without ever leading, it leaves the lease alone', async () => {
    const lease = new FakeLease({ holderIdentity: 'other' });
    const { stop, done } = start(fullManager({}, { elector: electorOf(lease) }));
    await clock.advance(1_000);
    stop();
    await done;
    assert.equal(lease.record?.holderIdentity, 'other');
    assert.ok(!events.includes('leader starts'));
    assert.equal(clock.timers, 0);
  });

  test('the lease is kept until the work it guards has ended, and given up before the webhook drains', async () => {
    const lease = new FakeLease();
    const holders: Record<string, string | undefined> = {};
    const slow = (name: Group): Runnable =>
      runnable(name, {
        run: async (signal) => {
          await aborted(signal);
          await clock.sleep(4_000);
          holders[name] = lease.record?.holderIdentity;
        },
      });
    const special = { leader: slow('leader'), webhook: slow('webhook') };
    const { stop, done } = start(fullManager(special, { elector: electorOf(lease) }));
    await clock.advance(1_000);
    stop();
    await clock.advance(8_000);
    await done;
    assert.deepEqual(holders, { leader: 'me', webhook: '' });
    assert.equal(clock.timers, 0);
  });

  test('the lease is not given up while work under it has not ended', async () => {
    const lease = new FakeLease();
    const leader = runnable('leader', { run: () => new Promise(() => {}) });
    const { stop, done } = start(fullManager({ leader }, { elector: electorOf(lease) }));
    await clock.advance(1_000);
    stop();
    await clock.advance(25_000);
    await assert.rejects(done, /not stopped within 25 s: leader/);
    assert.equal(lease.record?.holderIdentity, 'me');
  });

  test('a lost lease ends the process: leader work first, then the rest in order, then LostLeaseError', async () => {
    const lease = new FakeLease();
    const { done } = start(fullManager({}, { elector: electorOf(lease) }));
    await clock.advance(1_000);
    lease.before = () => {
      throw new Error('no route to host');
    };
    await clock.advance(13_000);
    await assert.rejects(done, LostLeaseError);
    assert.deepEqual(events, [...STARTED, ...STOPPED]);
    assert.equal(clock.timers, 0);
  });
});
