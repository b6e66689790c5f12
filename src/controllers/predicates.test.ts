import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../test/gen/objects.ts';
import { generationChanged } from './predicates.ts';

const old = acceleratedImage('web', { metadata: { generation: 1, resourceVersion: '1' } });

test('a new spec wakes the controller; a status, a label or a relist does not', () => {
  const spec = acceleratedImage('web', { metadata: { generation: 2, resourceVersion: '2' } });
  const status = acceleratedImage('web', { metadata: { generation: 1, resourceVersion: '2' } });
  assert.equal(generationChanged({ type: 'updated', old, object: spec }), true);
  assert.equal(generationChanged({ type: 'updated', old, object: status }), false);
});

test('what appears or goes wakes the controller', () => {
  assert.equal(generationChanged({ type: 'added', object: old }), true);
  assert.equal(generationChanged({ type: 'deleted', object: old }), true);
});
