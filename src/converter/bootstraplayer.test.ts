import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { readBootstrapLayer } from './bootstraplayer.ts';

const { signal } = new AbortController();
const ID = 'ab'.repeat(32);

/** A tree of version 6 whose table of one blob is at an offset. */
function tree(offset: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(0xe0f5e1e2, 1024);
  bytes.writeBigUInt64LE(BigInt(offset), 1024 + 128 + 8);
  bytes.writeUInt32LE(256, 1024 + 128 + 16);
  bytes.write(ID, offset);
  return bytes;
}

async function layer(name: string, content: Buffer): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: 'image', type: 'directory' });
  tar.entry({ name }, content);
  tar.finalize();
  return gzipSync(await buffer(tar as AsyncIterable<Buffer>));
}

/** In pieces, as they come from a registry. */
function inPieces(bytes: Buffer): Readable {
  return Readable.from(
    Array.from({ length: Math.ceil(bytes.length / 100) }, (_, i) => bytes.subarray(i * 100, i * 100 + 100)),
  );
}

test('a bootstrap layer tells its version and its blobs, wherever in the tree they are named', async () => {
  for (const offset of [2048, 4000, 4096, 300_000]) {
    const bytes = await layer('image/image.boot', tree(offset, 400_000));
    assert.deepEqual(await readBootstrapLayer(inPieces(bytes), signal), { fsVersion: '6', blobs: [ID] });
  }
});

test('a bootstrap that ends before its table is cut off', async () => {
  const bytes = await layer('image/image.boot', tree(4096, 8192).subarray(0, 4200));
  await assert.rejects(readBootstrapLayer(inPieces(bytes), signal), /cut off/);
});

test('a layer without a bootstrap is refused, and so is one that is no archive', async () => {
  await assert.rejects(
    readBootstrapLayer(inPieces(await layer('etc/passwd', Buffer.alloc(9))), signal),
    /holds no image/,
  );
  await assert.rejects(readBootstrapLayer(inPieces(Buffer.from('no gzip')), signal));
});

test('a stream that fails at its end fails the reading, though all of the tree has come', async () => {
  const bytes = await layer('image/image.boot', tree(2048, 8192));
  async function* failing(): AsyncGenerator<Buffer> {
    yield bytes;
    throw new Error('wrong digest');
  }
  await assert.rejects(readBootstrapLayer(Readable.from(failing()), signal), /wrong digest/);
});
