import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploymentPod, heldPod } from '../../test/support/holding.ts';
import { applyPatch } from '../../test/support/json-patch.ts';
import { holdOperations, releaseOperations } from './gate.ts';

const GATE = { name: 'slipstream.dev/hold' };
const OTHER = { name: 'example.com/quota' };

test('a Pod that is to wait gets the gate, and says for how long', () => {
  const pod = deploymentPod();
  const held = applyPatch(pod, holdOperations(pod, '10s'));
  assert.deepEqual(held.spec?.schedulingGates, [GATE]);
  assert.equal(held.metadata.labels?.['slipstream.dev/hold'], '10s');
  assert.deepEqual(holdOperations(held, '10s'), [], 'in a further round of its admission nothing is left to do');
});

test('the gates of others stay, when ours is added and when it is taken', () => {
  const pod = deploymentPod({ spec: { schedulingGates: [OTHER] } });
  const held = applyPatch(pod, holdOperations(pod, '10s'));
  assert.deepEqual(held.spec?.schedulingGates, [OTHER, GATE]);
  assert.deepEqual(applyPatch(held, releaseOperations(held)), pod);
});

test('a Pod without labels is nobody’s, and does not wait', () => {
  assert.deepEqual(holdOperations(deploymentPod({ metadata: { labels: undefined } }), '10s'), []);
  assert.deepEqual(holdOperations(undefined, '10s'), []);
});

test('the gate is taken from this very Pod only, and only where it is', () => {
  const pod = heldPod();
  const patch = releaseOperations(pod);
  const again = heldPod({ metadata: { uid: 'another Pod of the same name' } });
  assert.throws(() => applyPatch(again, patch), /uid/);
  const moved = heldPod({ spec: { schedulingGates: [OTHER, GATE] } });
  assert.throws(() => applyPatch(moved, patch), /is not "slipstream.dev\/hold"/);
  assert.deepEqual(releaseOperations(deploymentPod()), []);
});

test('a Pod whose label somebody took is released, too', () => {
  const pod = heldPod({ metadata: { labels: { 'slipstream.dev/hold': undefined } } });
  assert.deepEqual(applyPatch(pod, releaseOperations(pod)).spec?.schedulingGates, []);
});
