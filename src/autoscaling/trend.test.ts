import assert from 'node:assert/strict';
import { test } from 'node:test';
import { theilSenSlope } from './trend.ts';

function line(values: readonly number[], stepMs = 1000): { at: number; value: number }[] {
  return values.map((value, i) => ({ at: i * stepMs, value }));
}

test('a straight line has its slope', () => {
  assert.equal(theilSenSlope(line([0, 2, 4, 6])), 0.002);
});

test('a falling line has a negative slope', () => {
  assert.equal(theilSenSlope(line([6, 4, 2])), -0.002);
});

test('one wild measurement among many does not bend the trend', () => {
  assert.equal(theilSenSlope(line([0, 1, 2, 500, 4, 5, 6, 7])), 0.001);
});

test('points at uneven times weigh by their distance', () => {
  const points = [0, 1000, 5000, 9000].map((at) => ({ at, value: at / 100 }));
  assert.equal(theilSenSlope(points), 0.01);
});

test('two points are not a trend, and neither are many of one moment', () => {
  assert.equal(theilSenSlope(line([1, 5])), undefined);
  assert.equal(theilSenSlope(line([1, 5, 9], 0)), undefined);
});
