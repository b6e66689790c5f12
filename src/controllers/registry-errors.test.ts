import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryError } from '../registry/errors.ts';
import { ReconcileError } from './reconcile-error.ts';
import { fromRegistryError } from './registry-errors.ts';

test('credentials that were refused are looked at again within a minute, however long the interval', () => {
  for (const [intervalMs, afterMs] of [
    [10_000, 10_000],
    [86_400_000, 60_000],
  ] as const) {
    const error = fromRegistryError(new RegistryError('Unauthorized', 'no'), intervalMs);
    assert.ok(error instanceof ReconcileError);
    assert.deepEqual([error.kind, error.reason, error.afterMs], ['waiting', 'CredentialsRejected', afterMs]);
  }
});

test('an address that is refused is for a person to correct', () => {
  const error = fromRegistryError(new RegistryError('Refused', 'no'), 1000);
  assert.ok(error instanceof ReconcileError);
  assert.deepEqual([error.kind, error.reason], ['stalled', 'InvalidSpec']);
});
