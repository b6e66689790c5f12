import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RegistryError, type RegistryErrorKind } from '../registry/errors.ts';
import { parseReference } from '../registry/reference.ts';
import { ConvertError, explain, explained, failureOf, isDiskFull, isPassing } from './errors.ts';

const failed = (kind: RegistryErrorKind): RegistryError => new RegistryError(kind, 'the registry said no');

describe('an error of the source registry becomes a reason that a person can act on', () => {
  const expected: [RegistryErrorKind, string, boolean][] = [
    ['NotFound', 'SourceNotFound', true],
    ['Unauthorized', 'CredentialsRejected', true],
    ['RateLimited', 'RateLimited', false],
    ['Unreachable', 'RegistryUnreachable', false],
    ['DigestMismatch', 'ConversionFailed', true],
    ['TooLarge', 'ConversionFailed', true],
    ['Unsupported', 'ConversionFailed', true],
    ['Invalid', 'ConversionFailed', true],
  ];
  for (const [kind, reason, permanent] of expected) {
    test(`${kind} is ${reason}, ${permanent ? 'for good' : 'for now'}`, () => {
      assert.deepEqual(failureOf(explain(failed(kind), 'source', 'read a:b')), {
        ok: false,
        reason,
        message: 'read a:b: the registry said no',
        permanent,
      });
    });
  }
});

test('a target that is not found is not a source that is not found', () => {
  assert.equal(failureOf(explain(failed('NotFound'), 'target', 'push')).reason, 'ConversionFailed');
});

test('an error that is not from a registry is passed on as it is', async () => {
  const error = new Error('disk full');
  await assert.rejects(
    explained('source', 'read', () => Promise.reject(error)),
    (thrown) => thrown === error,
  );
});

test('an unknown error may pass, a reference that is none stays one', () => {
  assert.deepEqual(failureOf(new Error('disk full')), {
    ok: false,
    reason: 'ConversionFailed',
    message: 'disk full',
    permanent: false,
  });
  assert.throws(
    () => parseReference('Not An Image'),
    (error) => {
      const { reason, permanent } = failureOf(error);
      assert.deepEqual({ reason, permanent }, { reason: 'InvalidSpec', permanent: true });
      return true;
    },
  );
});

test('a step is tried again only when the network broke', () => {
  assert.ok(isPassing(explain(failed('Unreachable'), 'target', 'push')));
  assert.ok(!isPassing(explain(failed('RateLimited'), 'source', 'read')));
  assert.ok(!isPassing(new ConvertError('ConversionFailed', 'nydus-image failed', { permanent: false })));
});

test('a full disk is told from other errors, whoever found it, and however it was explained', () => {
  const own = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const child = new ConvertError(
    'ConversionFailed',
    'nydus-image merge exited with 1: No space left on device (os error 28)',
  );
  assert.ok(isDiskFull(own));
  assert.ok(isDiskFull(child));
  assert.ok(isDiskFull(new ConvertError('ConversionFailed', 'it failed', { cause: own })));
  assert.ok(!isDiskFull(new Error('ENOENT: no such file')));
});
