import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRetryAfter } from './failure.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');

test('Retry-After is read in seconds and as a date, and never is negative', () => {
  assert.equal(parseRetryAfter('120', NOW), 120_000);
  assert.equal(parseRetryAfter('0', NOW), 0);
  assert.equal(parseRetryAfter('Sun, 01 Mar 2026 12:01:30 GMT', NOW), 90_000);
  assert.equal(parseRetryAfter('Sun, 01 Mar 2026 11:00:00 GMT', NOW), 0);
});

test('a Retry-After that makes no sense is none', () => {
  assert.equal(parseRetryAfter(undefined, NOW), undefined);
  assert.equal(parseRetryAfter('soon', NOW), undefined);
  assert.equal(parseRetryAfter('-5', NOW), undefined);
});
