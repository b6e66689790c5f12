import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImages, apiVersionOf, collectionPath, deployments, nodes, objectPath, pods } from './resources.ts';

test('paths are those of the API', () => {
  assert.equal(collectionPath(pods), '/api/v1/pods');
  assert.equal(collectionPath(pods, 'ns'), '/api/v1/namespaces/ns/pods');
  assert.equal(objectPath(nodes, { name: 'a' }), '/api/v1/nodes/a');
  assert.equal(
    objectPath(deployments, { namespace: 'ns', name: 'a' }, 'status'),
    '/apis/apps/v1/namespaces/ns/deployments/a/status',
  );
  assert.equal(
    collectionPath(acceleratedImages, 'ns'),
    '/apis/slipstream.dev/v1alpha1/namespaces/ns/acceleratedimages',
  );
  assert.deepEqual([apiVersionOf(pods), apiVersionOf(deployments)], ['v1', 'apps/v1']);
});

test('a name cannot lead to another path', () => {
  assert.equal(
    objectPath(pods, { namespace: 'a/../b', name: '?watch=true' }),
    '/api/v1/namespaces/a%2F..%2Fb/pods/%3Fwatch%3Dtrue',
  );
});

test('an object without a name, or without the namespace its kind needs, has no path', () => {
  for (const ref of [{ namespace: 'ns', name: '' }, { name: 'a' }, { namespace: '', name: 'a' }]) {
    assert.throws(() => objectPath(pods, ref), /a Pod needs a name and a namespace/);
  }
  assert.throws(() => objectPath(nodes, { name: '' }), /a Node needs a name/);
});
