import assert from 'node:assert/strict';
import { test } from 'node:test';
import { horizontalPodAutoscaler } from '../../test/gen/objects.ts';
import type { Sign } from './sign.ts';
import { decide, recordScaleOut, settle, withLead } from './decision.ts';
import type { Decision } from '../api/v1alpha1/prefetchpolicy.ts';

const T0 = new Date('2026-01-01T00:00:00.400Z');
const COOLDOWN = 300_000;

function near(overrides: Partial<Sign> = {}): Sign {
  return {
    trigger: 'Autoscaler',
    reason: 'ThresholdPassed',
    message: 'cpu',
    currentReplicas: 1,
    expectedReplicas: 2,
    ...overrides,
  };
}

function later(ms: number): Date {
  return new Date(T0.getTime() + ms);
}

function decided(overrides: Partial<Decision> = {}): Decision {
  const decision = decide(undefined, near(), COOLDOWN, T0);
  assert.ok(decision);
  return { ...decision, ...overrides };
}

test('without a sign of a scale-out nothing is decided', () => {
  assert.equal(decide(undefined, undefined, COOLDOWN, T0), undefined);
});

test('a metric that wavers around the threshold is one decision, not many', () => {
  const again = decide(decided(), near({ expectedReplicas: 3 }), COOLDOWN, later(60_000));
  assert.equal(again?.at, T0.toISOString());
  assert.equal(again.expectedReplicas, 3);
});

test('after the cooldown the next sign is a new decision', () => {
  assert.equal(decide(decided(), near(), COOLDOWN, later(COOLDOWN))?.at, later(COOLDOWN).toISOString());
});

test('a decision of a clock that was ahead does not stand in the way', () => {
  const ahead = decided({ at: later(86_400_000).toISOString() });
  assert.equal(decide(ahead, near(), COOLDOWN, T0)?.at, T0.toISOString());
});

test('after a scale-out only a sign of more replicas than it brought is a new decision', () => {
  const scaled = decided({ scaledAt: later(1000).toISOString() });
  assert.equal(decide(scaled, near({ expectedReplicas: 2 }), COOLDOWN, later(2000))?.at, T0.toISOString());
  assert.equal(decide(scaled, near({ expectedReplicas: 3 }), COOLDOWN, later(2000))?.at, later(2000).toISOString());
});

test('the scale-out that follows is recorded with the lead of the verified warm over it', () => {
  const hpa = horizontalPodAutoscaler('web', { status: { lastScaleTime: '2026-01-01T00:00:20Z', desiredReplicas: 2 } });
  const recorded = recordScaleOut(decided({ warmVerifiedAt: later(7600).toISOString() }), hpa);
  assert.equal(recorded?.scaledAt, '2026-01-01T00:00:20Z');
  assert.equal(recorded.leadTime, '12.0s');
});

test('a scale-out that is larger than foreseen is still the one that was foreseen', () => {
  const warm = decided({ warmVerifiedAt: later(7600).toISOString() });
  const hpa = horizontalPodAutoscaler('web', { status: { lastScaleTime: '2026-01-01T00:00:20Z', desiredReplicas: 2 } });
  const sign = near({ currentReplicas: 1, expectedReplicas: 3 });
  const recorded = recordScaleOut(decide(warm, sign, COOLDOWN, later(20_000)), hpa);
  assert.equal(recorded?.at, T0.toISOString());
  assert.equal(recorded.leadTime, '12.0s');
  assert.equal(decide(recorded, sign, COOLDOWN, later(35_000)), recorded);
});

test('a warm that came too late has a negative lead', () => {
  const decision = decided({ scaledAt: '2026-01-01T00:00:20Z', warmVerifiedAt: '2026-01-01T00:00:23Z' });
  assert.equal(withLead(decision).leadTime, '-3.0s');
});

test('an older scale-out and a scale-in are not the one that was foreseen', () => {
  const older = horizontalPodAutoscaler('web', {
    status: { lastScaleTime: '2025-12-31T23:59:00Z', desiredReplicas: 2 },
  });
  const scaleIn = horizontalPodAutoscaler('web', {
    status: { lastScaleTime: '2026-01-01T00:00:20Z', desiredReplicas: 1 },
  });
  assert.equal(recordScaleOut(decided(), older)?.scaledAt, undefined);
  assert.equal(recordScaleOut(decided(), scaleIn)?.scaledAt, undefined);
});

test('a scale-out long after a decision is not the one that was foreseen', () => {
  const hpa = horizontalPodAutoscaler('web', { status: { lastScaleTime: '2026-01-01T00:10:01Z', desiredReplicas: 2 } });
  assert.equal(recordScaleOut(decided(), hpa)?.scaledAt, undefined);
  const expected = decided({ expectedBy: '2026-01-01T00:05:00Z' });
  assert.equal(recordScaleOut(expected, hpa)?.scaledAt, '2026-01-01T00:10:01Z');
});

test('a time that is waited for keeps its decision open, and what follows soon after belongs to it', () => {
  const sign = near({ trigger: 'Schedule', expectedBy: later(1_800_000) });
  const waiting = decide(undefined, sign, COOLDOWN, T0);
  assert.equal(decide(waiting, sign, COOLDOWN, later(1_500_000))?.at, T0.toISOString());
  assert.equal(decide(waiting, near(), COOLDOWN, later(1_800_000 + COOLDOWN - 1))?.at, T0.toISOString());
  assert.notEqual(decide(waiting, near(), COOLDOWN, later(1_800_000 + COOLDOWN))?.at, T0.toISOString());
});

test('what becomes of a decision is known once a scale-out followed, or none did in time', () => {
  const outcome = (decision: Decision, ms: number): Decision['outcome'] => settle(decision, false, later(ms)).outcome;
  assert.equal(outcome(decided(), 600_000), undefined);
  assert.equal(outcome(decided(), 600_001), 'FalseAlarm');
  assert.equal(outcome(decided({ scaledAt: '2026-01-01T00:00:20Z' }), 20_000), 'Foreseen');
  assert.equal(outcome(decided({ reason: 'DesiredAboveCurrent', scaledAt: '2026-01-01T00:00:00Z' }), 0), 'TooLate');
});

test('what was decided in the round of a scale-out is recorded with it, although it comes after', () => {
  const hpa = horizontalPodAutoscaler('web', { status: { lastScaleTime: '2025-12-31T23:59:58Z', desiredReplicas: 2 } });
  assert.equal(recordScaleOut(decided({ reason: 'DesiredAboveCurrent' }), hpa)?.notice, '-2.4s');
  assert.equal(recordScaleOut(decided(), hpa)?.scaledAt, undefined);
});

test('a new version foretells no scale-out: its decision is over when it is warm, and stands in no other way', () => {
  const version = decided({ trigger: 'NewVersion' });
  assert.equal(settle(version, false, later(86_400_000)).outcome, undefined);
  assert.equal(settle({ ...version, warmVerifiedAt: later(5).toISOString() }, false, later(5)).outcome, 'Prepared');
  assert.equal(settle(version, true, T0).outcome, 'Prepared');
  assert.equal(decide(version, near(), COOLDOWN, later(1000))?.trigger, 'Autoscaler');
  assert.equal(decide(decided(), near({ trigger: 'NewVersion' }), COOLDOWN, later(1000))?.trigger, 'Autoscaler');
});

test('after a false alarm the next sign is a new decision, however long the cooldown', () => {
  const alarm = decided({ outcome: 'FalseAlarm' });
  assert.equal(decide(alarm, near(), 86_400_000, later(660_000))?.at, later(660_000).toISOString());
});
