import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  capableNode,
  CONFIG,
  indexOf,
  OTHER_DIGEST,
  plainNode,
  readyImage,
  runtimeClass,
} from '../../../test/support/rewriting.ts';
import { clusterChanges, tablesForImage, tablesOf } from './triggers.ts';

const SOURCE = 'registry.test/web:1';
const OPERATORS = CONFIG.operatorNamespace;
const image = readyImage('web', SOURCE);

test('an image that comes or goes concerns its namespace, and the operator, which leaves it to that', () => {
  assert.deepEqual(tablesForImage({ type: 'added', object: image }, OPERATORS), ['team-a', OPERATORS]);
  assert.deepEqual(tablesForImage({ type: 'deleted', object: image }, OPERATORS), ['team-a', OPERATORS]);
});

test('the operator has nothing to do when the image stays the same, as when it was only confirmed', () => {
  const confirmed = readyImage('web', SOURCE, { status: { source: { resolvedAt: '2026-03-01T12:05:00Z' } } });
  assert.deepEqual(tablesForImage({ type: 'updated', old: image, object: confirmed }, OPERATORS), ['team-a']);
  const moved = readyImage('web', SOURCE, { status: { source: { digest: OTHER_DIGEST } } });
  assert.deepEqual(tablesForImage({ type: 'updated', old: image, object: moved }, OPERATORS), ['team-a', OPERATORS]);
});

test("an image of the operator's own namespace concerns one table", () => {
  const object = readyImage('web', SOURCE, { metadata: { namespace: OPERATORS } });
  assert.deepEqual(tablesForImage({ type: 'added', object }, OPERATORS), [OPERATORS]);
});

test('every namespace with an AcceleratedImage may have a table', () => {
  const images = [image, readyImage('b', SOURCE), readyImage('c', SOURCE, { metadata: { namespace: 'team-b' } })];
  assert.deepEqual([...tablesOf(indexOf({ images }))], ['team-a', 'team-b']);
});

test('of the changes of nodes and of the RuntimeClass, those count that may change a table', () => {
  const index = indexOf({ nodes: [capableNode('n1'), capableNode('n2')] });
  const changed = clusterChanges(index);
  assert.equal(changed(), true, 'the first look');
  assert.equal(changed(), false);

  index.deleteNode(capableNode('n2'));
  assert.equal(changed(), false, 'one capable node of two went');
  index.upsertNode(plainNode('p1', { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } }));
  assert.equal(changed(), true, 'a node came where tolerations lead');
  index.upsertNode(capableNode('n1', { metadata: { labels: { 'topology.kubernetes.io/region': 'eu' } } }));
  assert.equal(changed(), true, 'the region of all nodes became known');
  index.upsertNode(capableNode('n1', { spec: { unschedulable: true } }));
  assert.equal(changed(), true, 'the last capable node was cordoned');
  index.deleteRuntimeClass(runtimeClass());
  assert.equal(changed(), true, 'the RuntimeClass went');
});
