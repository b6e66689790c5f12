import assert from 'node:assert/strict';
import { test } from 'node:test';
import { node, prefetchPolicy } from '../../../test/gen/objects.ts';
import type { Node } from '../../kube/resources.ts';
import { keysForNode, newNodeSign } from './newnode.ts';

const NOW = new Date('2026-01-01T01:00:00Z');

function joined(name: string, minutesAgo: number, spec = {}): Node {
  const creationTimestamp = new Date(NOW.getTime() - minutesAgo * 60_000).toISOString();
  return node(name, { metadata: { creationTimestamp }, spec });
}

test('a node is new for five minutes, unless no Pod may go there', () => {
  assert.match(newNodeSign([joined('old', 60), joined('new', 1)], 3, NOW)?.message ?? '', /^node new joined/);
  assert.match(newNodeSign([joined('a', 4), joined('b', 1)], 3, NOW)?.message ?? '', /^node a and 1 more joined/);
  assert.equal(newNodeSign([joined('old', 5)], 3, NOW), undefined);
  assert.equal(newNodeSign([joined('cordoned', 1, { unschedulable: true })], 3, NOW), undefined);
});

test('a node that joins wakes the policies that ask for it; a list that is read again wakes none', () => {
  const policies = [prefetchPolicy('asks', { spec: { triggers: { newNode: true } } }), prefetchPolicy('does-not')];
  assert.deepEqual(keysForNode({ type: 'added', object: joined('new', 0) }, policies, NOW), ['team-a/asks']);
  assert.deepEqual(keysForNode({ type: 'added', object: joined('old', 60) }, policies, NOW), []);
});
