import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeListWatch, object } from '../../test/support/fake-list-watch.ts';
import { Informer } from './informer.ts';
import type { InformerOptions } from './informer.ts';
import type { KubeObject } from './object.ts';

let clock: FakeClock;

beforeEach(() => {
  mock.method(Math, 'random', () => 0.5);
  clock = new FakeClock();
});

afterEach(() => mock.restoreAll());

function informerOf(listWatch: FakeListWatch, more: Partial<InformerOptions<KubeObject>> = {}): Informer<KubeObject> {
  return new Informer({ name: 'pods', listWatch, clock, log: pino({ level: 'silent' }), ...more });
}

function run(t: TestContext, informer: Informer<KubeObject>): Promise<void> {
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  return settle();
}

function noteChanges(informer: Informer<KubeObject>): string[] {
  const seen: string[] = [];
  informer.onChange((change) => seen.push(`${change.type} ${change.object.metadata.name}`));
  return seen;
}

describe('informer', () => {
  test('fills the store and tells its handlers, who find the change there already', async (t) => {
    const listWatch = new FakeListWatch(() => ({ items: [object('foo', '1')], resourceVersion: '1' }));
    const informer = informerOf(listWatch);
    const seen: unknown[] = [];
    informer.onChange(({ type, object: o }) =>
      seen.push([type, informer.store.get(`default/${o.metadata.name}`)?.metadata.resourceVersion]),
    );
    await run(t, informer);
    listWatch.last.send(
      { type: 'MODIFIED', object: object('foo', '2') },
      { type: 'DELETED', object: object('foo', '3') },
    );
    await settle();
    assert.deepEqual(seen, [
      ['added', '1'],
      ['updated', '2'],
      ['deleted', undefined],
    ]);
    assert.equal(informer.lastSyncResourceVersion, '3');
  });

  test('gap detection: what vanished while nobody watched is told as deleted', async (t) => {
    const listWatch = new FakeListWatch(() => ({
      items: [object('stays', '1'), object('goes', '2')],
      resourceVersion: '2',
    }));
    const informer = informerOf(listWatch);
    const seen = noteChanges(informer);
    await run(t, informer);
    listWatch.onList = () => ({ items: [object('stays', '1'), object('comes', '8')], resourceVersion: '9' });
    listWatch.last.send({ type: 'ERROR', code: 410, message: 'too old resource version' });
    await clock.advance(1_600);
    assert.deepEqual(seen, ['added stays', 'added goes', 'added comes', 'deleted goes']);
  });

  test('has synced only when the whole first list is in', async (t) => {
    const second = Promise.withResolvers<void>();
    const listWatch = new FakeListWatch(async (o) => {
      if (!o.continue) {
        return { items: [object('foo', '1')], resourceVersion: '2', continue: 'C1' };
      }
      await second.promise;
      return { items: [object('bar', '2')], resourceVersion: '2' };
    });
    const informer = informerOf(listWatch);
    let synced = false;
    const waiting = informer.waitForSync(new AbortController().signal).then(() => (synced = true));
    await run(t, informer);
    assert.deepEqual([synced, informer.hasSynced(), informer.store.size], [false, false, 0]);
    second.resolve();
    await waiting;
    assert.deepEqual([informer.hasSynced(), informer.store.size], [true, 2]);
  });

  test('waiting for a sync that does not come ends with the signal', async () => {
    const reason = new Error('stopping');
    await assert.rejects(informerOf(new FakeListWatch()).waitForSync(AbortSignal.abort(reason)), reason);
  });

  test('a handler that comes late is told what is there', async (t) => {
    const informer = informerOf(new FakeListWatch(() => ({ items: [object('foo', '1')], resourceVersion: '1' })));
    await run(t, informer);
    assert.deepEqual(noteChanges(informer), ['added foo']);
  });

  test('a handler that throws is logged and hurts neither the others nor the watch', async (t) => {
    const lines: string[] = [];
    const listWatch = new FakeListWatch();
    const informer = informerOf(listWatch, { log: pino({}, { write: (line: string) => void lines.push(line) }) });
    informer.onChange(() => {
      throw new Error('a bug');
    });
    const seen = noteChanges(informer);
    await run(t, informer);
    listWatch.last.send({ type: 'ADDED', object: object('foo', '2') }, { type: 'ADDED', object: object('bar', '3') });
    await settle();
    assert.deepEqual(seen, ['added foo', 'added bar']);
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /"informer":"pods".*a bug.*"key":"default\/foo"/);
    assert.equal(listWatch.watches.length, 1);
  });

  test('a transform decides what is kept', async (t) => {
    const listed = object('foo', '1', { annotations: { big: 'x' } });
    const listWatch = new FakeListWatch(() => ({ items: [listed], resourceVersion: '1' }));
    const informer = informerOf(listWatch, {
      transform: (o) => ({ metadata: { ...o.metadata, annotations: {} } }),
    });
    await run(t, informer);
    listWatch.last.send({ type: 'ADDED', object: object('bar', '2', { annotations: { big: 'y' } }) });
    await settle();
    assert.deepEqual(
      informer.store.list().map((o) => o.metadata.annotations),
      [{}, {}],
    );
  });
});
