import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History, sampleOf } from './history.ts';

function sample(at: number): ReturnType<typeof sampleOf> {
  return { at, currentReplicas: 1, ratios: new Map([['Resource/cpu', at]]) };
}

test('a history keeps the newest samples, oldest first', () => {
  const history = new History(3);
  for (const at of [1, 2, 3, 4, 5]) {
    history.add(sample(at));
  }
  assert.deepEqual(
    history.samples().map(({ at }) => at),
    [3, 4, 5],
  );
});

test('a sample of the moment of the last is ignored', () => {
  const history = new History();
  history.add(sample(10));
  history.add(sample(10));
  assert.equal(history.samples().length, 1);
});

test('when the clock is set back, what lies ahead is forgotten', () => {
  const history = new History();
  for (const at of [10, 86_400_000, 86_415_000, 20, 30]) {
    history.add(sample(at));
  }
  assert.deepEqual(
    history.samples().map(({ at }) => at),
    [10, 20, 30],
  );
});

test('samples handed out do not change with the history', () => {
  const history = new History();
  const before = history.samples();
  history.add(sample(1));
  assert.equal(before.length, 0);
});

test('a sample of an autoscaler that has no status yet is empty', () => {
  const empty = sampleOf({ spec: { maxReplicas: 3 } }, new Date(7));
  assert.deepEqual(empty, { at: 7, currentReplicas: 0, ratios: new Map() });
});
