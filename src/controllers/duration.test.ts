import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from './duration.ts';

test('Go durations are read in milliseconds', () => {
  assert.equal(parseDuration('5m'), 300_000);
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration('1.5s'), 1500);
  assert.equal(parseDuration('250ms'), 250);
});

test('what is no duration is refused, not read as zero', () => {
  for (const text of ['', '5', 'm', '5m!', '-5m', '5 m']) {
    assert.throws(() => parseDuration(text), RangeError, text);
  }
});
