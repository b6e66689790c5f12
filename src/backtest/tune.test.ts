import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Criteria } from './judge.ts';
import { foldsOf, GRID } from './tune.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const WHOLE: Criteria = { warmMs: 30_000, withinMs: 10 * MINUTE, cooldownMs: 5 * MINUTE, from: 0, to: 8 * HOUR };
const SCALE_OUTS = [1, 3, 5, 7].map((hour) => hour * HOUR);

/** Decisions of one candidate; the others decide nothing. */
function only(candidates: Readonly<Record<number, readonly number[]>>): (readonly number[])[] {
  return GRID.map((_, i) => candidates[i] ?? []);
}

test('what is chosen on a window is judged on the next', () => {
  const before = (hours: readonly number[]): number[] => hours.map((hour) => hour * HOUR - MINUTE);
  // The one is good at first, the other later: the first is chosen, and does badly.
  const folds = foldsOf(only({ 2: before([1, 3]), 4: before([5, 7]) }), SCALE_OUTS, WHOLE, 2);
  assert.equal(folds.length, 1);
  assert.deepEqual([folds[0]?.threshold, folds[0]?.horizonMs], [GRID[2]?.threshold, GRID[2]?.horizonMs]);
  assert.deepEqual([folds[0]?.from, folds[0]?.verdict.recall], [4 * HOUR, 0]);
});

test('what lies ahead changes nothing of a choice', () => {
  const chosen = (later: readonly number[]): (number | undefined)[] =>
    foldsOf(only({ 1: [HOUR - MINUTE, ...later], 3: [3 * HOUR - MINUTE] }), SCALE_OUTS, WHOLE, 4)
      .slice(0, 1)
      .map(({ horizonMs }) => horizonMs);
  assert.deepEqual(chosen([]), chosen([4 * HOUR, 5 * HOUR, 6 * HOUR]));
});

test('recall counts among what is precise enough, precision where nothing is', () => {
  const alarms = Array.from({ length: 6 }, (_, i) => 10 * MINUTE * i + 2000 * i);
  const reckless = [...alarms, HOUR - MINUTE].toSorted((a, b) => a - b);
  const careful = [HOUR - MINUTE];
  const [fold] = foldsOf(only({ 0: reckless, 5: careful }), SCALE_OUTS, WHOLE, 4);
  assert.equal(fold?.horizonMs, GRID[5]?.horizonMs);
  assert.deepEqual(foldsOf(only({}), SCALE_OUTS, WHOLE, 0), []);
});
