import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeListWatch, object, statusError } from '../../test/support/fake-list-watch.ts';
import { keyOf } from './object.ts';
import type { KubeObject } from './object.ts';
import { Reflector } from './reflector.ts';

const log = pino({ level: 'silent' });
const MINUTE = 60_000;

let clock: FakeClock;
let seen: string[];

beforeEach(() => {
  mock.method(Math, 'random', () => 0.5);
  clock = new FakeClock();
  seen = [];
});

afterEach(() => mock.restoreAll());

/** Starts a reflector that notes in `seen` what it is told, and stops with the test. */
async function reflect(t: TestContext, listWatch: FakeListWatch): Promise<Reflector<KubeObject>> {
  const stop = new AbortController();
  const version = (o: KubeObject): string => `${o.metadata.name}@${o.metadata.resourceVersion}`;
  const reflector = new Reflector({
    listWatch,
    clock,
    log,
    store: {
      replace: (items) => void seen.push(`replace ${items.map(version).join(' ')}`.trim()),
      upsert: (o) => void seen.push(`upsert ${version(o)}`),
      delete: (o) => void seen.push(`delete ${keyOf(o)}`),
    },
  });
  const running = reflector.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    assert.equal(clock.timers, 0, 'a stopped reflector leaves no timers');
  });
  await settle();
  return reflector;
}

function versionsWatched(listWatch: FakeListWatch): string[] {
  return listWatch.watches.map(({ options }) => options.resourceVersion);
}

describe('list and watch', () => {
  test('lists once, watches from the version of the list, and passes every event on', async (t) => {
    const listWatch = new FakeListWatch(() => ({ items: [object('foo', '1')], resourceVersion: '1' }));
    const reflector = await reflect(t, listWatch);
    listWatch.last.send(
      { type: 'MODIFIED', object: object('foo', '2') },
      { type: 'ADDED', object: object('bar', '3') },
      { type: 'DELETED', object: object('foo', '4') },
    );
    await settle();
    assert.deepEqual(seen, ['replace foo@1', 'upsert foo@2', 'upsert bar@3', 'delete default/foo']);
    assert.deepEqual(listWatch.lists, [{ limit: 500 }]);
    assert.deepEqual(versionsWatched(listWatch), ['1']);
    assert.equal(reflector.lastSyncResourceVersion, '4');
  });

  test('goes on from the last event, at once and without a list, when the server ends the watch', async (t) => {
    const listWatch = new FakeListWatch();
    await reflect(t, listWatch);
    listWatch.last.send({ type: 'ADDED', object: object('foo', '7') }).end();
    await settle();
    assert.deepEqual(versionsWatched(listWatch), ['1', '7']);
    assert.equal(listWatch.lists.length, 1);
  });

  test('a bookmark moves the version on for the next watch', async (t) => {
    const listWatch = new FakeListWatch();
    const reflector = await reflect(t, listWatch);
    listWatch.last.send({ type: 'BOOKMARK', resourceVersion: '50' }).end();
    await settle();
    assert.equal(reflector.lastSyncResourceVersion, '50');
    assert.deepEqual(versionsWatched(listWatch), ['1', '50']);
    assert.deepEqual(seen, ['replace']);
  });

  for (const [random, seconds] of [
    [0, 300],
    [0.5, 450],
    [1, 600],
  ] as const) {
    test(`asks the server to end the watch after 5 to 10 minutes: ${seconds} s at random ${random}`, async (t) => {
      t.mock.method(Math, 'random', () => random);
      const listWatch = new FakeListWatch();
      await reflect(t, listWatch);
      assert.equal(listWatch.last.options.timeoutSeconds, seconds);
    });
  }

  test('stopped before it begins, it neither lists nor watches', async () => {
    const listWatch = new FakeListWatch();
    const store = { replace: () => undefined, upsert: () => undefined, delete: () => undefined };
    await new Reflector({ listWatch, clock, log, store }).run(AbortSignal.abort());
    assert.deepEqual([listWatch.lists, listWatch.watches], [[], []]);
  });

  test('stopped while it watches, it ends the watch', async () => {
    const stop = new AbortController();
    const listWatch = new FakeListWatch();
    const store = { replace: () => undefined, upsert: () => undefined, delete: () => undefined };
    const running = new Reflector({ listWatch, clock, log, store }).run(stop.signal);
    await settle();
    stop.abort();
    await running;
    assert.equal(listWatch.last.signal.aborted, true);
    assert.equal(clock.timers, 0);
  });
});

describe('paging', () => {
  const objects = Array.from({ length: 10 }, (_, i) => object(`o${i}`, `${i}`));

  test('follows continue to the last page and hands the whole list over once', async (t) => {
    const pages: Record<string, { items: KubeObject[]; resourceVersion: string; continue?: string }> = {
      first: { items: objects.slice(0, 4), resourceVersion: '10', continue: 'C1' },
      C1: { items: objects.slice(4, 8), resourceVersion: '10', continue: 'C2' },
      C2: { items: objects.slice(8), resourceVersion: '10', continue: '' },
    };
    const listWatch = new FakeListWatch((o) => pages[o.continue ?? 'first'] ?? assert.fail());
    await reflect(t, listWatch);
    assert.deepEqual(listWatch.lists, [{ limit: 500 }, { limit: 500, continue: 'C1' }, { limit: 500, continue: 'C2' }]);
    assert.equal(seen.length, 1);
    assert.equal(seen[0]?.split(' ').length, 11);
    assert.deepEqual(versionsWatched(listWatch), ['10']);
  });

  test('lists in one piece when the list expires between two pages', async (t) => {
    const listWatch = new FakeListWatch((o) => {
      if (o.continue) {
        throw statusError(410);
      }
      return o.limit
        ? { items: objects.slice(0, 4), resourceVersion: '10', continue: 'C1' }
        : { items: objects, resourceVersion: '11' };
    });
    await reflect(t, listWatch);
    assert.deepEqual(listWatch.lists, [{ limit: 500 }, { limit: 500, continue: 'C1' }, {}]);
    assert.deepEqual(versionsWatched(listWatch), ['11']);
  });

  test('shows nothing of a list that fails on the way', async (t) => {
    const listWatch = new FakeListWatch((o) => {
      if (o.continue) {
        throw statusError(500);
      }
      return { items: objects.slice(0, 4), resourceVersion: '10', continue: 'C1' };
    });
    await reflect(t, listWatch);
    assert.deepEqual(seen, []);
    assert.equal(listWatch.watches.length, 0);
  });

  test('gives a list that hangs up after a minute and tries again', async (t) => {
    const listWatch = new FakeListWatch(() => new Promise(() => {}));
    await reflect(t, listWatch);
    await clock.advance(MINUTE + 1_600);
    assert.equal(listWatch.lists.length, 2);
  });
});

describe('expired versions', () => {
  test('lists again when the watch is answered with 410', async (t) => {
    const listWatch = new FakeListWatch();
    listWatch.refusals.push(statusError(410));
    await reflect(t, listWatch);
    listWatch.onList = () => ({ items: [], resourceVersion: '9' });
    await clock.advance(1_600);
    assert.equal(listWatch.lists.length, 2);
    assert.deepEqual(versionsWatched(listWatch), ['1', '9']);
  });

  test('lists again when the version becomes too old during the watch', async (t) => {
    const listWatch = new FakeListWatch();
    await reflect(t, listWatch);
    listWatch.onList = () => ({ items: [object('foo', '8')], resourceVersion: '9' });
    listWatch.last.send(
      { type: 'ADDED', object: object('foo', '2') },
      { type: 'ERROR', code: 410, message: 'too old resource version: 2 (5)' },
    );
    await clock.advance(1_600);
    assert.deepEqual(seen, ['replace', 'upsert foo@2', 'replace foo@8']);
    assert.deepEqual(versionsWatched(listWatch), ['1', '9']);
  });
});

describe('errors', () => {
  test('keeps trying to list until it can', async (t) => {
    const listWatch = new FakeListWatch(() => {
      throw new Error('connection refused');
    });
    await reflect(t, listWatch);
    await clock.advance(10 * MINUTE);
    assert.ok(listWatch.lists.length > 10);
    listWatch.onList = () => ({ items: [], resourceVersion: '1' });
    await clock.advance(MINUTE);
    assert.deepEqual(versionsWatched(listWatch), ['1']);
  });

  test('does not list again on too many requests', async (t) => {
    const listWatch = new FakeListWatch();
    listWatch.refusals.push(...Array.from({ length: 4 }, () => statusError(429)));
    await reflect(t, listWatch);
    await clock.advance(MINUTE);
    listWatch.last.send({ type: 'ERROR', code: 429, message: 'too many requests' });
    await clock.advance(MINUTE);
    assert.equal(listWatch.lists.length, 1);
    assert.deepEqual(versionsWatched(listWatch), ['1', '1', '1', '1', '1', '1']);
  });

  test('leaves the server alone for as long as it asked for', async (t) => {
    const listWatch = new FakeListWatch();
    listWatch.refusals.push(statusError(429, 20_000));
    await reflect(t, listWatch);
    await clock.advance(19_999);
    assert.equal(listWatch.watches.length, 1);
    await clock.advance(1);
    assert.equal(listWatch.watches.length, 2);
  });

  test('goes on from the last event when the connection breaks', async (t) => {
    const listWatch = new FakeListWatch();
    await reflect(t, listWatch);
    listWatch.last.send({ type: 'ADDED', object: object('foo', '6') }).fail(new Error('ECONNRESET'));
    await clock.advance(1_600);
    assert.deepEqual(versionsWatched(listWatch), ['1', '6']);
    assert.equal(listWatch.lists.length, 1);
  });

  test('lists again after three watches in a row that brought nothing but errors', async (t) => {
    const listWatch = new FakeListWatch();
    listWatch.refusals.push(statusError(500), new Error('unexpected token'), statusError(503));
    await reflect(t, listWatch);
    await clock.advance(800 * 2 + 1600 * 2 - 1);
    assert.equal(listWatch.lists.length, 1);
    await clock.advance(3200 * 2 + 1);
    assert.equal(listWatch.lists.length, 2);
    assert.equal(listWatch.watches.length, 4);
  });

  test('watches that brought something before they failed do not add up to a list', async (t) => {
    const listWatch = new FakeListWatch();
    await reflect(t, listWatch);
    for (let version = 2; version < 12; version++) {
      listWatch.last.send({ type: 'ADDED', object: object('foo', `${version}`) }).fail(new Error('ECONNRESET'));
      await clock.advance(60_000);
    }
    assert.equal(listWatch.lists.length, 1);
    assert.equal(listWatch.watches.length, 11);
  });

  test('a very short watch counts as an error: backs off, then lists again', async (t) => {
    const listWatch = new FakeListWatch();
    await reflect(t, listWatch);
    listWatch.last.end();
    await clock.advance(799);
    assert.equal(listWatch.watches.length, 1);
    await clock.advance(801);
    assert.equal(listWatch.watches.length, 2);
    assert.equal(listWatch.lists.length, 2);
  });

  test('an empty watch that the server ends in time is none', async (t) => {
    const listWatch = new FakeListWatch();
    await reflect(t, listWatch);
    await clock.advance(1_000);
    listWatch.last.end();
    await settle();
    assert.equal(listWatch.watches.length, 2);
    assert.equal(listWatch.lists.length, 1);
  });
});

describe('half-open connections', () => {
  test('a watch that falls silent is given up after two and a half minutes, even if it cannot be aborted', async (t) => {
    const listWatch = new FakeListWatch();
    listWatch.deaf = true;
    await reflect(t, listWatch);
    await clock.advance(149_999);
    assert.equal(listWatch.last.signal.aborted, false);
    await clock.advance(1);
    assert.equal(listWatch.last.signal.aborted, true);
    await clock.advance(1_600);
    assert.deepEqual(versionsWatched(listWatch), ['1', '1']);
    assert.equal(listWatch.lists.length, 1);
  });

  test('bookmarks keep a quiet watch open', async (t) => {
    t.mock.method(Math, 'random', () => 1);
    const listWatch = new FakeListWatch();
    await reflect(t, listWatch);
    for (let minute = 1; minute <= 9; minute++) {
      await clock.advance(MINUTE);
      listWatch.last.send({ type: 'BOOKMARK', resourceVersion: `${minute + 10}` });
    }
    await settle();
    assert.equal(listWatch.watches.length, 1);
  });

  test('a watch that outlives its own end by a quarter of a minute is cut', async (t) => {
    t.mock.method(Math, 'random', () => 0);
    const listWatch = new FakeListWatch();
    await reflect(t, listWatch);
    for (let minute = 1; minute <= 5; minute++) {
      await clock.advance(MINUTE);
      listWatch.last.send({ type: 'BOOKMARK', resourceVersion: `${minute + 10}` });
    }
    await clock.advance(14_999);
    assert.equal(listWatch.last.signal.aborted, false);
    await clock.advance(1);
    assert.equal(listWatch.last.signal.aborted, true);
    await clock.advance(800);
    assert.deepEqual(versionsWatched(listWatch), ['1', '15']);
  });
});

describe('back-off', () => {
  /** Milliseconds between tries of a list that always fails. */
  async function delays(t: TestContext, during: number): Promise<number[]> {
    const times: number[] = [];
    const listWatch = new FakeListWatch(() => {
      times.push(clock.monotonic());
      throw statusError(500);
    });
    await reflect(t, listWatch);
    await clock.advance(during);
    return times.slice(1).map((time, i) => time - (times[i] ?? 0));
  }

  test('doubles from 0.8 s to 30 s', async (t) => {
    t.mock.method(Math, 'random', () => 0);
    assert.deepEqual(await delays(t, 115_000), [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  });

  test('is stretched at random by up to itself', async (t) => {
    t.mock.method(Math, 'random', () => 0.5);
    assert.deepEqual(await delays(t, 10_000), [1200, 2400, 4800]);
  });

  test('starts over after two minutes of health', async (t) => {
    t.mock.method(Math, 'random', () => 0);
    const listWatch = new FakeListWatch();
    listWatch.refusals.push(...Array.from({ length: 5 }, () => statusError(429)));
    await reflect(t, listWatch);
    await clock.advance(30_000);
    assert.equal(listWatch.watches.length, 6);
    await clock.advance(120_000);
    listWatch.last.fail(new Error('ECONNRESET'));
    await clock.advance(799);
    assert.equal(listWatch.watches.length, 6);
    await clock.advance(1);
    assert.equal(listWatch.watches.length, 7);
  });
});
