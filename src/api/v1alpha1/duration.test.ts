import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSeconds } from './duration.ts';

test('times are shown in tenths of a second, negative ones too', () => {
  assert.equal(formatSeconds(13_240), '13.2s');
  assert.equal(formatSeconds(-2000), '-2.0s');
});
