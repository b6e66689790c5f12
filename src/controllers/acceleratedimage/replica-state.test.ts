import assert from 'node:assert/strict';
import { test } from 'node:test';
import { due, failed, held, ready } from './replica-state.ts';
import type { ReplicaStatus } from './replication.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const DIGEST = `sha256:${'a'.repeat(64)}`;
const COPYING: ReplicaStatus = {
  region: 'eu',
  hash: 'h',
  image: `registry.eu.test/web:1-nydus@${DIGEST}`,
  digest: DIGEST,
  state: 'Copying',
  job: 'slipstream-replicate-h',
};

test('a copy that failed is tried again after twice the time each time, and half an hour at the longest', () => {
  let status = COPYING;
  const waits = Array.from({ length: 9 }, () => {
    const step = failed(status, 'RegistryUnreachable', 'no answer', NOW);
    ({ status } = step);
    return (step.afterMs ?? 0) / 1000;
  });
  assert.deepEqual(waits, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
  assert.equal(status.failures, 9);
});

test('it waits for its time and then goes on', () => {
  const { status } = failed(COPYING, 'RegistryUnreachable', 'no answer', NOW);
  assert.equal(status.retryAt, '2026-01-01T00:00:30.000Z');
  assert.equal(due(status, NOW), 30_000);
  assert.equal(due(status, new Date('2026-01-01T00:01:00Z')), 0);
  assert.equal(due(COPYING, NOW), 0);
});

test('a copy that cannot be looked at is no failed attempt, so that it is not made again', () => {
  const { status, afterMs } = held(COPYING, 'CredentialsForbidden', 'no right', 60_000, NOW);
  assert.deepEqual(
    [status.state, status.failures, status.reason, afterMs],
    ['Failed', undefined, 'CredentialsForbidden', 60_000],
  );
});

test('a verified copy says when that was, and nothing of what went wrong before', () => {
  const { status } = failed(COPYING, 'RegistryUnreachable', 'no answer', NOW);
  assert.deepEqual(ready(status, NOW).status, { ...COPYING, state: 'Ready', syncedAt: NOW.toISOString() });
});

test('a message fits into the status', () => {
  assert.equal(failed(COPYING, 'ReplicationFailed', 'x'.repeat(5000), NOW).status.message?.length, 1024);
});
