import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { detectCompression, openLayer } from './decompress.ts';

async function decompressed(chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk);
      done();
    },
  });
  await pipeline([...(await openLayer(Readable.from(chunks))), sink]);
  return Buffer.concat(parts).toString();
}

describe('the compression of a layer', () => {
  test('is told from its first bytes', () => {
    assert.equal(detectCompression(gzipSync('x')), 'gzip');
    assert.equal(detectCompression(zstdCompressSync('x')), 'zstd');
    assert.equal(detectCompression(Buffer.from([0x53, 0x2a, 0x4d, 0x18])), 'zstd');
    assert.equal(detectCompression(Buffer.alloc(512)), 'none');
    assert.equal(detectCompression(Buffer.alloc(0)), 'none');
  });

  test('is told although the first bytes come one at a time', async () => {
    const bytes = gzipSync('a layer');
    assert.equal(await decompressed([...bytes].map((byte) => Buffer.from([byte]))), 'a layer');
  });
});

describe('a layer comes out as it went in', () => {
  const text = 'some bytes of a tar\n'.repeat(100_000);
  const layers = {
    'compressed with gzip': [gzipSync(text)],
    'compressed with gzip in several members': [gzipSync(text.slice(0, 777)), gzipSync(text.slice(777))],
    'compressed with gzip in several members of one chunk': [
      Buffer.concat([gzipSync(text.slice(0, 777)), gzipSync(text.slice(777))]),
    ],
    'compressed with zstd': [zstdCompressSync(text)],
    'compressed with zstd in several frames of one chunk': [
      Buffer.concat([zstdCompressSync(text.slice(0, 777)), zstdCompressSync(text.slice(777))]),
    ],
    'not compressed': [Buffer.from(text)],
  };
  for (const [name, chunks] of Object.entries(layers)) {
    test(name, async () => {
      assert.equal(await decompressed(chunks), text);
    });
  }

  test('when it has no bytes at all', async () => {
    assert.equal(await decompressed([]), '');
  });
});

test('an error of the source comes through and is not mistaken for the end', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield gzipSync('half a layer').subarray(0, 12);
    throw new Error('connection reset');
  }
  await assert.rejects(decompressed(broken()), /connection reset/);
});
