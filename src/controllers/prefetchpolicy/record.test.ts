import assert from 'node:assert/strict';
import { test } from 'node:test';
import { horizontalPodAutoscaler } from '../../../test/gen/objects.ts';
import type { PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { Sign } from '../../autoscaling/sign.ts';
import { record } from './record.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;
const SIGN: Sign = {
  trigger: 'Autoscaler',
  reason: 'ThresholdPassed',
  message: 'cpu',
  currentReplicas: 1,
  expectedReplicas: 2,
};

/** One pass at some minute; `scaledAt` is the minute of the autoscaler's newest scale-out. */
function pass(status: PrefetchPolicyStatus, minute: number, sign: Sign | undefined, scaledAt?: number): void {
  const lastScaleTime = scaledAt === undefined ? undefined : new Date(START + scaledAt * MINUTE).toISOString();
  const hpa = horizontalPodAutoscaler('web', { status: { desiredReplicas: 3, lastScaleTime } });
  record(status, { sign, hpa, cooldownMs: 5 * MINUTE, dryRun: false, now: new Date(START + minute * MINUTE) });
}

test('a decision, its scale-out and what it was worth come into the status', () => {
  const status: PrefetchPolicyStatus = {};
  pass(status, 0, undefined);
  assert.deepEqual(status, {});
  pass(status, 1, SIGN);
  assert.equal(status.decision?.outcome, undefined);
  pass(status, 3, undefined, 2);
  assert.deepEqual([status.decision?.outcome, status.decision?.notice], ['Foreseen', '60.0s']);
  assert.deepEqual([status.evidence?.scaleOuts, status.evidence?.foreseen], [1, 1]);
});

test('a decision that gave way to another still gets its outcome', () => {
  const status: PrefetchPolicyStatus = {};
  pass(status, 0, SIGN);
  pass(status, 6, SIGN);
  assert.deepEqual(
    status.history?.map(({ outcome }) => outcome),
    [undefined],
  );
  pass(status, 9, undefined, 8);
  assert.deepEqual([status.decision?.outcome, status.history?.[0]?.outcome], ['Foreseen', 'Foreseen']);
  assert.equal(status.evidence?.scaleOuts, 1);
});

test('a day of false alarms is counted, and a few of them are kept', () => {
  const status: PrefetchPolicyStatus = {};
  for (let minute = 0; minute < 1440; minute++) {
    pass(status, minute, minute % 20 === 0 ? SIGN : undefined);
  }
  assert.equal(status.evidence?.falseAlarms, 72);
  assert.equal(status.history?.length, 20);
  assert.ok(JSON.stringify(status).length < 16_000);
});

test('ten thousand policies whose metrics flap for an hour decide seldom, and stay small', () => {
  const statuses = Array.from({ length: 10_000 }, (): PrefetchPolicyStatus => ({}));
  for (let round = 0; round < 60; round++) {
    for (const [i, status] of statuses.entries()) {
      pass(status, round, (round + i) % 2 === 0 ? SIGN : undefined);
    }
  }
  for (const status of statuses) {
    // One decision for each cooldown of five minutes, at most.
    assert.ok((status.history?.length ?? 0) < 12);
    assert.ok(JSON.stringify(status).length < 8000);
  }
});
