import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAlreadyExists, isConflict, isForbidden, isNotFound, kubeErrorOf } from './errors.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

function status(code: number, reason: string, more: object = {}): string {
  return JSON.stringify({ kind: 'Status', status: 'Failure', code, reason, message: `it is ${reason}`, ...more });
}

test('an error names the call, the status and what the API server said', () => {
  const error = kubeErrorOf('GET /x', 404, status(404, 'NotFound'), undefined, NOW);
  assert.equal(error.message, 'GET /x: the API server answered 404: it is NotFound');
  assert.deepEqual([error.name, error.code, error.reason], ['KubeError', 404, 'NotFound']);
  assert.ok(isNotFound(error) && !isForbidden(error));
});

test('a conflict and an object that is there already are told apart', () => {
  const conflict = kubeErrorOf('PUT /x', 409, status(409, 'Conflict'), undefined, NOW);
  const exists = kubeErrorOf('POST /x', 409, status(409, 'AlreadyExists'), undefined, NOW);
  assert.deepEqual([isConflict(conflict), isAlreadyExists(conflict)], [true, false]);
  assert.deepEqual([isConflict(exists), isAlreadyExists(exists)], [false, true]);
});

test('what is no answer of the API server is none of the kinds', () => {
  for (const other of [new Error('404'), { code: 404 }, undefined]) {
    assert.ok(!isNotFound(other) && !isConflict(other) && !isForbidden(other) && !isAlreadyExists(other));
  }
});

test('Retry-After may be seconds, a date, or stand in the Status', () => {
  const details = { details: { retryAfterSeconds: 3 } };
  const cases = [
    { code: 429, header: '2', body: status(429, 'TooManyRequests', details), want: 2000 },
    { code: 503, header: 'Thu, 01 Jan 2026 00:00:30 GMT', body: '', want: 30_000 },
    { code: 503, header: 'Thu, 01 Jan 2025 00:00:00 GMT', body: '', want: 0 },
    { code: 504, header: undefined, body: status(504, 'Timeout', details), want: 3000 },
    { code: 503, header: 'soon', body: '', want: undefined },
    { code: 404, header: '2', body: status(404, 'NotFound'), want: undefined },
  ];
  for (const { code, header, body, want } of cases) {
    assert.equal(kubeErrorOf('GET /x', code, body, header, NOW).retryAfter, want, `${code} ${header}`);
  }
});

test('a body that is no Status is quoted in short', () => {
  const error = kubeErrorOf('GET /x', 502, `<html>\n  <h1>Bad Gateway</h1>${'x'.repeat(500)}`, undefined, NOW);
  assert.match(error.message, /answered 502: <html> <h1>Bad Gateway<\/h1>x+$/);
  assert.ok(error.message.length < 300);
  assert.equal(error.reason, 'Unknown');
});
