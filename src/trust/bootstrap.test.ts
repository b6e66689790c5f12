import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { Readable } from 'node:stream';
import { before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildTar, file } from '../../test/support/image-builder.ts';
import { signBootstrap } from './bootstrap.ts';
import { readPrivateKey, type SigningKey } from './privatekey.ts';

let key: SigningKey;
before(async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  key = await readPrivateKey(privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(), '', 'bootstrap.key');
});

async function sign(layer: Buffer): Promise<string> {
  return await signBootstrap(Readable.from([layer]), key, 'the layer', new AbortController().signal);
}

describe('the signature of a bootstrap layer', () => {
  test('is of its image.boot alone, whatever lies beside it', async () => {
    const boot = Buffer.from('a tree');
    const tar = await buildTar([
      file('image/other', 'x'),
      file('image/image.boot', boot),
      file('image/b.blob.meta', 'y'),
    ]);
    const signature = await sign(gzipSync(tar));
    assert.ok(verify('sha256', boot, key.public.key, Buffer.from(signature, 'base64')));
    assert.equal(await sign(gzipSync(tar)), signature, 'it is the same each time');
  });

  test('is not made of what is none', async () => {
    await assert.rejects(
      sign(gzipSync(await buildTar([file('image/other', 'x')]))),
      /the layer cannot be signed.*no image\/image\.boot/,
    );
    const twice = await buildTar([file('image/image.boot', 'a'), file('image/image.boot', 'b')]);
    await assert.rejects(sign(gzipSync(twice)), /twice/);
    await assert.rejects(sign(Buffer.from('not gzip')), /the layer cannot be signed/);
    const whole = gzipSync(await buildTar([file('image/image.boot', Buffer.alloc(9000, 1))]));
    await assert.rejects(sign(whole.subarray(0, -12)), /the layer cannot be signed/);
  });

  test('is not made of a stream that fails at its end, as one of another digest does', async () => {
    const layer = gzipSync(await buildTar([file('image/image.boot', 'a')]));
    async function* failing(): AsyncGenerator<Buffer> {
      yield layer;
      throw new Error('its content has another digest');
    }
    const run = signBootstrap(Readable.from(failing()), key, 'the layer', new AbortController().signal);
    await assert.rejects(run, /digest|cannot be signed/);
  });
});
