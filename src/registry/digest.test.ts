import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { digestOf, isDigest, verifier } from './digest.ts';
import { RegistryError } from './errors.ts';

const BODY = Buffer.from('some bytes of a blob');

async function read(promised: { size: number; digest?: string }, body = BODY): Promise<Buffer> {
  const chunks = [body.subarray(0, 7), body.subarray(7)];
  const passed = Readable.from(chunks).pipe(verifier(promised, 'blob x'));
  return Buffer.concat((await passed.toArray()) as Buffer[]);
}

function isMismatch(what: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof RegistryError && error.kind === 'DigestMismatch' && what.test(error.message);
}

test('bytes that are as promised pass unchanged', async () => {
  assert.deepEqual(await read({ size: BODY.length, digest: digestOf(BODY) }), BODY);
  assert.deepEqual(await read({ size: BODY.length }), BODY);
  assert.deepEqual(await read({ size: 0, digest: digestOf(Buffer.alloc(0)) }, Buffer.alloc(0)), Buffer.alloc(0));
});

test('other bytes of the same size, too few, and too many end the stream with DigestMismatch', async () => {
  const digest = digestOf(BODY);
  await assert.rejects(
    read({ size: BODY.length, digest: digestOf(Buffer.from('other')) }),
    isMismatch(/blob x: its content has/),
  );
  await assert.rejects(read({ size: BODY.length + 1, digest }), isMismatch(/ended after 20 of 21 bytes/));
  await assert.rejects(read({ size: BODY.length - 1, digest }), isMismatch(/more than the promised 19 bytes/));
  await assert.rejects(read({ size: BODY.length - 1 }), isMismatch(/more than/));
});

test('a digest is sha256 in lower-case hex, and nothing besides', () => {
  assert.ok(isDigest(digestOf(BODY)));
  for (const text of [
    `${digestOf(BODY)}\n`,
    ` ${digestOf(BODY)}`,
    digestOf(BODY).toUpperCase(),
    'sha256:',
    `sha512:${'a'.repeat(128)}`,
  ]) {
    assert.ok(!isDigest(text), text);
  }
});
