import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { Controller, TerminalError } from './controller.ts';
import type { ControllerMetrics, ControllerOptions, Outcome, ReconcileContext } from './controller.ts';

interface Line {
  msg: string;
  controller: string;
  key: string;
  reconcileId: string;
  level: number;
}

const ERROR_LEVEL = 50;

let clock: FakeClock;
let lines: Line[];
let observed: string[];
let metrics: ControllerMetrics;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  observed = [];
  metrics = { observe: (name, result, seconds) => void observed.push(`${name} ${result} ${seconds}`) };
});

type Reconcile = (key: string, context: ReconcileContext, turn: number) => Outcome | void | Promise<Outcome | void>;

/** A running controller that notes when it reconciled which key, and stops with the test. */
function start(
  t: TestContext,
  reconcile: Reconcile,
  more: Partial<ControllerOptions> = {},
): { controller: Controller; turns: string[]; stop: () => Promise<void> } {
  const turns: string[] = [];
  const controller = new Controller({
    name: 'images',
    workers: 1,
    clock,
    metrics,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    reconcile: async (key, context) => reconcile(key, context, turns.push(`${key} ${clock.monotonic()}`)),
    ...more,
  });
  const abort = new AbortController();
  const running = controller.run(abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort(new Error('stopping'));
    await running;
    assert.equal(clock.timers, 0, 'a stopped controller leaves no timers');
  };
  t.after(stop);
  return { controller, turns, stop };
}

describe('what happens after a reconcile', () => {
  test('success: nothing until the key is enqueued again', async (t) => {
    const { controller, turns } = start(t, () => undefined);
    controller.enqueue('a/b');
    await clock.advance(3_600_000);
    assert.deepEqual(turns, ['a/b 0']);
    assert.deepEqual(observed, ['images success 0']);
  });

  test('requeueAfter: again after that time', async (t) => {
    const { controller, turns } = start(t, () => ({ requeueAfter: 60_000 }));
    controller.enqueue('a/b');
    await clock.advance(120_000);
    assert.deepEqual(turns, ['a/b 0', 'a/b 60000', 'a/b 120000']);
    assert.equal(observed[0], 'images requeue_after 0');
  });

  test('a throw: again with exponential delays, which a success ends', async (t) => {
    const { controller, turns } = start(t, (_key, _context, turn) => {
      if (turn !== 4) {
        throw new Error('not yet');
      }
    });
    controller.enqueue('a/b');
    await clock.advance(40);
    assert.deepEqual(turns, ['a/b 0', 'a/b 5', 'a/b 15', 'a/b 35']);
    controller.enqueue('a/b');
    await clock.advance(5);
    assert.deepEqual(turns.slice(4), ['a/b 40', 'a/b 45']);
    assert.deepEqual(
      observed.map((line) => line.split(' ')[1]),
      ['error', 'error', 'error', 'success', 'error', 'error'],
    );
  });

  test('requeueAfter ends the history of failures as well', async (t) => {
    const { controller, turns } = start(t, (_key, _context, turn) => {
      if (turn === 3) {
        return { requeueAfter: 1_000 };
      }
      throw new Error('not yet');
    });
    controller.enqueue('a/b');
    await clock.advance(1_020);
    assert.deepEqual(turns, ['a/b 0', 'a/b 5', 'a/b 15', 'a/b 1015', 'a/b 1020']);
  });

  test('TerminalError: logged and counted, not tried again', async (t) => {
    const { controller, turns } = start(t, () => {
      throw new TerminalError('the reference is none');
    });
    controller.enqueue('a/b');
    await clock.advance(3_600_000);
    assert.deepEqual(turns, ['a/b 0']);
    assert.deepEqual(observed, ['images terminal 0']);
    assert.deepEqual(
      lines.map(({ level, msg }) => [level, msg]),
      [[ERROR_LEVEL, 'the reconcile failed for good']],
    );
  });

  test('an error with retryAfter: again after that time instead', async (t) => {
    const { controller, turns } = start(t, (_key, _context, turn) => {
      if (turn === 1) {
        throw Object.assign(new Error('too many requests'), { retryAfter: 30_000 });
      }
    });
    controller.enqueue('a/b');
    await clock.advance(60_000);
    assert.deepEqual(turns, ['a/b 0', 'a/b 30000']);
    assert.deepEqual(observed, ['images error 0', 'images success 0']);
  });

  for (const thrown of [undefined, null, 'a string', 0] as unknown[]) {
    test(`throwing ${JSON.stringify(thrown)} is an error like any other`, async (t) => {
      const { controller, turns } = start(t, (_key, _context, turn) => {
        if (turn === 1) {
          throw thrown;
        }
      });
      controller.enqueue('a/b');
      await clock.advance(5);
      assert.deepEqual(turns, ['a/b 0', 'a/b 5']);
    });
  }

  test('a reconcile that throws before it returns a promise does no more harm', async (t) => {
    const broken = (): never => {
      throw new Error('a bug');
    };
    const { controller } = start(t, () => undefined, { reconcile: broken });
    controller.enqueue('a/b');
    await clock.advance(5);
    assert.equal(observed.length, 2);
  });

  test('rate limits can be set', async (t) => {
    const fail = (): never => {
      throw new Error('not yet');
    };
    const { controller, turns } = start(t, fail, { rateLimit: { baseDelay: 1_000, maxDelay: 2_000 } });
    controller.enqueue('a/b');
    await clock.advance(5_000);
    assert.deepEqual(turns, ['a/b 0', 'a/b 1000', 'a/b 3000', 'a/b 5000']);
  });
});

describe('workers', () => {
  test('different keys run side by side, up to the number of workers; the same key never does', async (t) => {
    const busy: string[] = [];
    let most = 0;
    const { controller, turns } = start(
      t,
      async (key) => {
        assert.ok(!busy.includes(key));
        most = Math.max(most, busy.push(key));
        await clock.sleep(10);
        busy.splice(busy.indexOf(key), 1);
      },
      { workers: 2 },
    );
    for (const key of ['a', 'b', 'c']) {
      controller.enqueue(key);
    }
    await clock.advance(5);
    controller.enqueue('a');
    await clock.advance(20);
    assert.equal(most, 2);
    assert.deepEqual(turns, ['a 0', 'b 0', 'c 10', 'a 10']);
  });

  test('keys that were enqueued before the controller ran are reconciled when it does', async () => {
    const turns: string[] = [];
    const stop = new AbortController();
    const controller = new Controller({
      name: 'images',
      workers: 1,
      clock,
      log: pino({ level: 'silent' }),
      reconcile: async (key) => void turns.push(key),
    });
    controller.enqueue('early');
    controller.enqueueAfter('later', 10);
    const running = controller.run(stop.signal);
    await clock.advance(10);
    stop.abort();
    await running;
    assert.deepEqual(turns, ['early', 'later']);
  });

  test('the depth of the queue can be read', async (t) => {
    let depth: (() => number) | undefined;
    metrics.queueDepth = (_name, read) => (depth = read);
    const { controller } = start(t, () => clock.sleep(10));
    for (const key of ['a', 'b', 'c']) {
      controller.enqueue(key);
    }
    await settle();
    assert.equal(depth?.(), 2);
    await clock.advance(30);
    assert.equal(depth?.(), 0);
  });

  test('how long a reconcile took is measured in seconds', async (t) => {
    const { controller } = start(t, () => clock.sleep(1_500));
    controller.enqueue('a/b');
    await clock.advance(1_500);
    assert.deepEqual(observed, ['images success 1.5']);
  });
});

describe('logs', () => {
  test('every line of a reconcile, its own and that of the controller, says controller, key and one reconcileId', async (t) => {
    const { controller } = start(t, (_key, { log, reconcileId }) => {
      log.info({ given: reconcileId }, 'working');
      throw new Error('not yet');
    });
    controller.enqueue('a/b');
    await clock.advance(5);
    assert.equal(lines.length, 4);
    assert.ok(lines.every((line) => line.controller === 'images' && line.key === 'a/b'));
    const ids = lines.map(({ reconcileId }) => reconcileId);
    assert.equal(ids[0], ids[1]);
    assert.equal(ids[2], ids[3]);
    assert.notEqual(ids[0], ids[2]);
  });
});

describe('stopping', () => {
  test('waits for what is under way, tells it to end, and leaves the rest', async (t) => {
    const ended: string[] = [];
    const { controller, turns, stop } = start(t, async (key, { signal }) => {
      await clock.sleep(60_000, signal).catch(() => undefined);
      await clock.sleep(1_000);
      ended.push(key);
    });
    controller.enqueue('a');
    controller.enqueue('b');
    await settle();
    const stopping = stop().then(() => ended.push('controller'));
    await clock.advance(1_000);
    await stopping;
    assert.deepEqual(turns, ['a 0']);
    assert.deepEqual(ended, ['a', 'controller']);
  });

  test('a reconcile that is cut short is no error', async (t) => {
    const { controller, stop } = start(t, (_key, { signal }) => clock.sleep(60_000, signal));
    controller.enqueue('a');
    await settle();
    await stop();
    assert.deepEqual(observed, []);
    assert.ok(lines.every(({ level }) => level < ERROR_LEVEL));
  });
});
