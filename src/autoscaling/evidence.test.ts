import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../api/v1alpha1/prefetchpolicy.ts';
import { addEvidence, firstEvidence } from './evidence.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const COOLDOWN = 300_000;
const NONE = firstEvidence(new Date(START));

function at(minutes: number): string {
  return new Date(START + minutes * 60_000).toISOString();
}

function decision(minutes: number, overrides: Partial<Decision> = {}): Decision {
  return {
    trigger: 'Autoscaler',
    reason: 'ThresholdPassed',
    message: 'cpu',
    at: at(minutes),
    currentReplicas: 1,
    expectedReplicas: 2,
    ...overrides,
  };
}

function foreseen(minutes: number, leadTime: string): Decision {
  return decision(minutes, { scaledAt: at(minutes + 1), leadTime, notice: '60.0s', outcome: 'Foreseen' });
}

test('evidence counts each outcome once, when it becomes known', () => {
  const open = decision(0);
  const settled = foreseen(0, '20.0s');
  const once = addEvidence(NONE, [open], [settled], COOLDOWN);
  assert.deepEqual([once.scaleOuts, once.warmedBefore, once.foreseen, once.falseAlarms], [1, 1, 1, 0]);
  assert.deepEqual([once.leadTimeP50, once.noticeP50], ['20.0s', '60.0s']);
  const again = addEvidence(once, [settled], [settled], COOLDOWN);
  assert.deepEqual(again, once);
});

test('steps of one scale-out count once, and are as late as the first of them', () => {
  const evidence = addEvidence(NONE, [], [foreseen(2, '50.0s'), foreseen(0, '-3.0s')], COOLDOWN);
  assert.deepEqual([evidence.scaleOuts, evidence.warmedBefore, evidence.foreseen], [1, 0, 2]);
});

test('a scale-out that was seen when it was there counts, and is not foreseen', () => {
  const late = decision(0, { scaledAt: at(0), leadTime: '-8.0s', outcome: 'TooLate' });
  const evidence = addEvidence(NONE, [], [late], COOLDOWN);
  assert.deepEqual([evidence.scaleOuts, evidence.warmedBefore, evidence.foreseen], [1, 0, 0]);
});

test('a false alarm costs the bytes that were warmed for it', () => {
  const alarm = decision(0, { outcome: 'FalseAlarm', bytes: 1000 });
  const evidence = addEvidence(NONE, [decision(0, { bytes: 1000 })], [alarm], COOLDOWN);
  assert.deepEqual([evidence.falseAlarms, evidence.wastedBytes], [1, 1000]);
});

test('a scale-out whose warm was never verified was not warmed before', () => {
  const dry = decision(0, { scaledAt: at(1), notice: '60.0s', outcome: 'Foreseen' });
  assert.equal(addEvidence(NONE, [], [dry], COOLDOWN).warmedBefore, 0);
});

test('the tenth percentile is a lead that nine of ten reach', () => {
  const leads = ['-5.0s', ...Array.from({ length: 9 }, (_, i) => `${(i + 1) * 10}.0s`)];
  const many = leads.map((lead, i) => foreseen(i * 10, lead));
  const evidence = addEvidence(NONE, [], many.toReversed(), COOLDOWN);
  assert.deepEqual([evidence.leadTimeP10, evidence.leadTimeP50], ['-5.0s', '40.0s']);
});
