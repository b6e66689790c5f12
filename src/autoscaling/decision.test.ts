import assert from 'node:assert/strict';
import { test } from 'node:test';
import { horizontalPodAutoscaler } from '../../test/gen/objects.ts';
import type { Evaluation } from './evaluate.ts';
import { decide, recordScaleOut, withLead } from './decision.ts';
import type { Decision } from './decision.ts';

const T0 = new Date('2026-01-01T00:00:00.400Z');
const COOLDOWN = 300_000;

function near(overrides: Partial<Evaluation> = {}): Evaluation {
  return {
    scaleOutNear: true,
    reason: 'ThresholdPassed',
    message: 'cpu',
    currentReplicas: 1,
    expectedReplicas: 2,
    ratio: 0.9,
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
  assert.equal(decide(undefined, near({ scaleOutNear: false }), COOLDOWN, T0), undefined);
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
  const evaluation = near({ currentReplicas: 1, expectedReplicas: 3 });
  const recorded = recordScaleOut(decide(warm, evaluation, COOLDOWN, later(20_000)), hpa);
  assert.equal(recorded?.at, T0.toISOString());
  assert.equal(recorded.leadTime, '12.0s');
  assert.equal(decide(recorded, evaluation, COOLDOWN, later(35_000)), recorded);
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
