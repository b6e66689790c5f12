import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deploymentPod, heldPod } from '../../test/support/holding.ts';
import { NOW } from '../../test/support/rewriting.ts';
import { isHeld, remainingMs } from './bound.ts';

/** Milliseconds that are left of a Pod's ten seconds, by who saw it `seen` ms ago with a clock that is off by so much. */
function left(seen: number, age: number, label = '10s', roundingMs: 0 | 1000 = 0): number {
  const pod = heldPod({ metadata: { labels: { 'slipstream.dev/hold': label } } });
  return remainingMs(pod, { seen: 0, monotonic: seen }, new Date(NOW.getTime() + age), roundingMs);
}

describe('a Pod waits', () => {
  test('as long as its label says', () => assert.equal(left(0, 0), 10_000));
  test('from its creation, whenever it was found', () => assert.equal(left(0, 7000), 3000));
  test('no longer when the clock is behind', () => assert.equal(left(4000, -60_000), 6000));
  test('not at all when the clock is ahead', () => assert.ok(left(0, 60_000) < 0));
  test('never longer than a policy could say', () => assert.equal(left(0, 0, '20h'), 300_000));
  test('not at all without a label that says how long', () => assert.equal(left(0, 0, 'x'), 0));
  test('to the end of the second in which it was created, for who must not be early', () =>
    assert.equal(left(0, 7000, '10s', 1000), 4000));
});

test('a Pod that has no gate of ours, or is being deleted, does not wait', () => {
  assert.equal(isHeld(heldPod()), true);
  assert.equal(isHeld(deploymentPod({ spec: { schedulingGates: [{ name: 'example.com/quota' }] } })), false);
  assert.equal(isHeld(heldPod({ metadata: { deletionTimestamp: NOW.toISOString() } })), false);
});
