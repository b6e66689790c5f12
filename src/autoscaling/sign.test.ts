import assert from 'node:assert/strict';
import { test } from 'node:test';
import { combine } from './sign.ts';
import type { Sign, Trigger } from './sign.ts';

function sign(trigger: Trigger, expectedReplicas: number): Sign {
  return { trigger, reason: trigger, message: trigger, currentReplicas: 2, expectedReplicas };
}

test('of several signs the first speaks, for as many replicas as any of them expects', () => {
  const both = combine([sign('Autoscaler', 3), sign('Forecast', 7)]);
  assert.deepEqual([both?.trigger, both?.expectedReplicas], ['Autoscaler', 7]);
  assert.equal(combine([]), undefined);
});

test('a sign of a scale-out speaks before one of a new version or node', () => {
  assert.equal(combine([sign('NewVersion', 2), sign('Schedule', 4)])?.trigger, 'Schedule');
});
