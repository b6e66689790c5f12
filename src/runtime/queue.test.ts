import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { WorkQueue } from './queue.ts';

const { signal } = new AbortController();

let clock: FakeClock;
let queue: WorkQueue;

beforeEach(() => {
  clock = new FakeClock();
  queue = new WorkQueue({ clock });
});

describe('queue', () => {
  test('basic: fifty producers and ten workers, each key never with two workers at once, none left over', async () => {
    const busy = new Set<string>();
    const handled = new Map<string, number>();
    const worker = async (): Promise<void> => {
      for (let key = await queue.get(signal); key !== undefined; key = await queue.get(signal)) {
        assert.ok(!busy.has(key), `${key} is with two workers`);
        busy.add(key);
        await clock.sleep(3);
        busy.delete(key);
        handled.set(key, (handled.get(key) ?? 0) + 1);
        queue.done(key);
      }
    };
    const workers = Array.from({ length: 10 }, worker);
    for (let round = 0; round < 50; round++) {
      for (let producer = 0; producer < 50; producer++) {
        queue.add(`key-${producer}`);
      }
      await clock.advance(1);
    }
    queue.shutDown();
    queue.add('added after shutdown!');
    await clock.advance(1_000);
    await Promise.all(workers);
    assert.equal(queue.length, 0);
    assert.equal(handled.size, 50);
    assert.ok(!handled.has('added after shutdown!'));
  });

  test('add while processing: a key that its worker adds again is handed out again', async () => {
    queue.add('foo');
    const seen: (string | undefined)[] = [];
    const worker = async (): Promise<void> => {
      for (let key = await queue.get(signal); key !== undefined; key = await queue.get(signal)) {
        seen.push(key);
        if (seen.length < 3) {
          queue.add(key);
        }
        queue.done(key);
      }
    };
    const working = worker();
    await settle();
    queue.shutDown();
    await working;
    assert.deepEqual(seen, ['foo', 'foo', 'foo']);
  });

  test('len: a key that is added twice counts once', () => {
    queue.add('foo');
    assert.equal(queue.length, 1);
    queue.add('bar');
    assert.equal(queue.length, 2);
    queue.add('foo');
    assert.equal(queue.length, 2);
  });

  test('reinsert: a key added while it is processed comes back when it is done', async () => {
    queue.add('foo');
    assert.equal(await queue.get(signal), 'foo');
    queue.add('foo');
    assert.equal(queue.length, 0);
    queue.done('foo');
    assert.equal(await queue.get(signal), 'foo');
    queue.done('foo');
    assert.equal(queue.length, 0);
  });

  test('collapse: many adds before processing are one', async () => {
    queue.add('bar');
    queue.add('bar');
    assert.equal(await queue.get(signal), 'bar');
    queue.done('bar');
    assert.equal(queue.length, 0);
  });

  test('collapse while processing: many adds are one more turn, for another worker only when the first is done', async () => {
    queue.add('foo');
    await queue.get(signal);
    queue.add('foo');
    queue.add('foo');
    let second: string | undefined;
    const waiting = queue.get(signal).then((key) => (second = key));
    await settle();
    assert.equal(second, undefined);
    queue.done('foo');
    await waiting;
    assert.equal(second, 'foo');
    queue.done('foo');
    assert.equal(queue.length, 0);
  });

  test('workers get keys in the order they were added, and wait in line when there are none', async () => {
    const got = [queue.get(signal), queue.get(signal)];
    for (const key of ['first', 'second', 'third']) {
      queue.add(key);
    }
    assert.deepEqual(await Promise.all([...got, queue.get(signal)]), ['first', 'second', 'third']);
  });

  test('queue drain: keys that were in the queue at shutdown are still handed out', async () => {
    queue.add('foo');
    queue.add('bar');
    queue.shutDown();
    assert.equal(await queue.get(signal), 'foo');
    assert.equal(await queue.get(signal), 'bar');
    assert.equal(await queue.get(signal), undefined);
  });

  test('queue drain with dirty item: a key added while processed comes back after shutdown too', async () => {
    queue.add('foo');
    await queue.get(signal);
    queue.add('foo');
    queue.shutDown();
    assert.equal(await queue.get(signal), undefined);
    queue.done('foo');
    assert.equal(await queue.get(signal), 'foo');
    queue.done('foo');
    assert.equal(await queue.get(signal), undefined);
  });

  test('shutdown wakes every worker that waits', async () => {
    const waiting = [queue.get(signal), queue.get(signal)];
    queue.shutDown();
    assert.deepEqual(await Promise.all(waiting), [undefined, undefined]);
  });

  test('a worker whose signal aborts gets nothing and loses nothing', async () => {
    const stop = new AbortController();
    const waiting = queue.get(stop.signal);
    stop.abort();
    assert.equal(await waiting, undefined);
    queue.add('foo');
    assert.equal(await queue.get(stop.signal), undefined);
    assert.equal(await queue.get(signal), 'foo');
  });
});

describe('delaying', () => {
  test('simple: a key comes when its time is over, once', async () => {
    queue.addAfter('foo', 50);
    assert.equal(queue.length, 0);
    await clock.advance(60);
    assert.equal(queue.length, 1);
    queue.done((await queue.get(signal)) ?? '');
    await clock.advance(10_000);
    assert.equal(queue.length, 0);
  });

  test('deduping: of several times for a key the earliest holds', async () => {
    queue.addAfter('foo', 50);
    queue.addAfter('foo', 70);
    await clock.advance(60);
    assert.equal(queue.length, 1);
    queue.done((await queue.get(signal)) ?? '');
    await clock.advance(20);
    assert.equal(queue.length, 0, 'the later time is dropped');

    queue.addAfter('foo', 50);
    queue.addAfter('foo', 30);
    await clock.advance(40);
    assert.equal(queue.length, 1, 'the earlier time overrides');
    queue.done((await queue.get(signal)) ?? '');
    await clock.advance(20);
    assert.equal(queue.length, 0);
  });

  test('add two fire early: a later but shorter delay is not held up', async () => {
    queue.addAfter('foo', 1_000);
    queue.addAfter('bar', 50);
    await clock.advance(60);
    assert.equal(await queue.get(signal), 'bar');
    queue.addAfter('baz', 2_000);
    await clock.advance(1_000);
    assert.equal(await queue.get(signal), 'foo');
    await clock.advance(2_000);
    assert.equal(await queue.get(signal), 'baz');
  });

  test('copy shifting: keys come in the order of their times', async () => {
    queue.addAfter('foo', 1_000);
    queue.addAfter('bar', 500);
    queue.addAfter('baz', 250);
    await clock.advance(2_000);
    assert.equal(queue.length, 3);
    assert.deepEqual(
      [await queue.get(signal), await queue.get(signal), await queue.get(signal)],
      ['baz', 'bar', 'foo'],
    );
  });

  test('no delay, or one that is over, adds at once', () => {
    queue.addAfter('foo', 0);
    queue.addAfter('bar', -1);
    assert.equal(queue.length, 2);
  });

  test('shutdown leaves no timer behind, and later delays set none', () => {
    queue.addAfter('foo', 1_000);
    queue.addAfter('bar', 2_000);
    queue.shutDown();
    queue.addAfter('baz', 1_000);
    assert.equal(clock.timers, 0);
  });
});

describe('rate limiting', () => {
  test('a key waits twice as long each time, until it is forgotten', async () => {
    for (const delay of [5, 10, 20]) {
      queue.addRateLimited('foo');
      await clock.advance(delay - 1);
      assert.equal(queue.length, 0);
      await clock.advance(1);
      assert.equal(queue.length, 1);
      queue.done((await queue.get(signal)) ?? '');
    }
    assert.equal(queue.numRequeues('foo'), 3);
    queue.forget('foo');
    assert.equal(queue.numRequeues('foo'), 0);
    queue.addRateLimited('foo');
    await clock.advance(5);
    assert.equal(queue.length, 1);
  });

  test('forget does not take a key out of the queue', () => {
    queue.add('foo');
    queue.forget('foo');
    assert.equal(queue.length, 1);
  });
});
