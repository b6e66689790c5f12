import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../../api/v1alpha1/prefetchpolicy.ts';
import { isAwaited, neededAt, restAfterEviction } from './urgency.ts';

function at(seconds: number): string {
  return new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();
}

function decisionOf(fields: Partial<Decision> = {}): Decision {
  return {
    trigger: 'Autoscaler',
    reason: 'NearTarget',
    message: '',
    at: at(0),
    currentReplicas: 1,
    expectedReplicas: 2,
    ...fields,
  };
}

test('images are needed when the scale-out is expected, and at once where that is not known', () => {
  const now = new Date(at(5));
  const scheduled = decisionOf({ trigger: 'Schedule', expectedBy: at(300) });
  assert.deepEqual(neededAt({ decision: scheduled }, now), new Date(at(300)));
  assert.deepEqual(neededAt({ decision: decisionOf() }, now), now);
  assert.deepEqual(neededAt({}, now), now);
});

test('a new version waits for what is sure to come, and no longer for each time that it is tried', () => {
  const decision = decisionOf({ trigger: 'NewVersion' });
  assert.deepEqual(neededAt({ decision }, new Date(at(5))), new Date(at(600)));
  assert.deepEqual(neededAt({ decision }, new Date(at(500))), new Date(at(600)));
});

test('what was warmed for a scale-out is awaited until that has come, or has not in time', () => {
  assert.equal(isAwaited({ decision: decisionOf({ warmVerifiedAt: at(9) }) }), true);
  assert.equal(isAwaited({ decision: decisionOf() }), false);
  assert.equal(isAwaited({ decision: decisionOf({ warmVerifiedAt: at(9), outcome: 'FalseAlarm' }) }), false);
  assert.equal(isAwaited({ decision: decisionOf({ warmVerifiedAt: at(9), trigger: 'NewNode' }) }), false);
  assert.equal(isAwaited({}), false);
});

test('what was evicted is warmed again at once, then after twice as long each time', () => {
  const rest = (startedAt: number, now: number): number => {
    const decision = decisionOf({ warmStartedAt: at(startedAt), warmVerifiedAt: at(10) });
    return restAfterEviction({ decision, lastWarmAt: at(startedAt + 5) }, new Date(at(now))) / 1000;
  };
  assert.equal(rest(5, 70), 0);
  assert.equal(rest(70, 80), 50);
  assert.equal(rest(70, 130), 0);
  assert.equal(rest(130, 190), 60);
});

test('a warm that failed may be tried again', () => {
  const decision = decisionOf({ warmStartedAt: at(70), warmVerifiedAt: at(10) });
  assert.equal(restAfterEviction({ decision, lastWarmAt: at(10) }, new Date(at(75))), 0);
});
