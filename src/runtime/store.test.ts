import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { object } from '../../test/support/fake-list-watch.ts';
import { deepFreeze, keyOf, splitKey } from './object.ts';
import type { KubeObject } from './object.ts';
import { Store } from './store.ts';
import type { Change } from './store.ts';

let store: Store<KubeObject>;

beforeEach(() => {
  store = new Store();
});

function brief(changes: Change<KubeObject>[]): string[] {
  return changes.map(({ type, object: o }) => `${type} ${keyOf(o)}@${o.metadata.resourceVersion}`);
}

describe('keys', () => {
  test('are namespace/name, and name alone for cluster-scoped objects', () => {
    assert.equal(keyOf(object('foo', '1')), 'default/foo');
    assert.equal(keyOf(object('node-1', '1', { namespace: undefined })), 'node-1');
    assert.deepEqual(splitKey('default/foo'), { namespace: 'default', name: 'foo' });
    assert.deepEqual(splitKey('node-1'), { name: 'node-1' });
  });

  test('that are none are refused', () => {
    assert.throws(() => splitKey('a/b/c'), /unexpected key format: "a\/b\/c"/);
  });
});

describe('store', () => {
  test('tells an added object from an updated and from an unchanged one', () => {
    assert.deepEqual(brief(store.upsert(object('foo', '1'))), ['added default/foo@1']);
    assert.deepEqual(brief(store.upsert(object('foo', '2'))), ['updated default/foo@2']);
    assert.deepEqual(brief(store.upsert(object('foo', '2'))), []);
    assert.equal(store.size, 1);
    assert.equal(store.get('default/foo')?.metadata.resourceVersion, '2');
  });

  test('an update comes with the object that was there before', () => {
    const [old, next] = [object('foo', '1'), object('foo', '2')];
    store.upsert(old);
    assert.deepEqual(store.upsert(next), [{ type: 'updated', old, object: next }]);
  });

  test('a deleted object is told once, as it was last known', () => {
    store.upsert(object('foo', '1'));
    assert.deepEqual(brief(store.delete('default/foo')), ['deleted default/foo@1']);
    assert.deepEqual(brief(store.delete('default/foo')), []);
    assert.deepEqual([store.size, store.list(), store.listNamespace('default')], [0, [], []]);
  });

  test('replace tells what came, what changed and what vanished, and is silent about the rest', () => {
    store.replace([object('same', '1'), object('changed', '2'), object('gone', '3')]);
    const changes = store.replace([object('same', '1'), object('changed', '5'), object('new', '6')]);
    assert.deepEqual(brief(changes), ['updated default/changed@5', 'added default/new@6', 'deleted default/gone@3']);
    assert.deepEqual(
      store.list().map((o) => o.metadata.name),
      ['same', 'changed', 'new'],
    );
  });

  test('an object that was deleted and made anew unseen is another object', () => {
    store.upsert(object('foo', '1', { uid: 'first' }));
    const changes = store.replace([object('foo', '9', { uid: 'second' })]);
    assert.deepEqual(brief(changes), ['deleted default/foo@1', 'added default/foo@9']);
    assert.equal(store.size, 1);
  });

  test('lists one namespace', () => {
    store.replace([object('a', '1'), object('b', '2', { namespace: 'other' }), object('c', '3')]);
    assert.deepEqual(
      store.listNamespace('default').map((o) => o.metadata.name),
      ['a', 'c'],
    );
    assert.deepEqual(store.listNamespace('nowhere'), []);
  });

  test('nobody can change what the store holds, at any depth', () => {
    store.upsert(object('foo', '1', { labels: { app: 'web' } }));
    const held = store.get('default/foo');
    assert.throws(() => Object.assign(held ?? {}, { kind: 'Pod' }), TypeError);
    assert.throws(() => Object.assign(held?.metadata.labels ?? {}, { app: 'db' }), TypeError);
  });
});

test('deepFreeze takes scalars, arrays and null as they are', () => {
  const frozen = deepFreeze({ a: [{ b: null }], c: 1 });
  assert.ok(Object.isFrozen(frozen.a[0]));
  assert.equal(deepFreeze('x'), 'x');
});
