import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { oneMember } from './gzip.ts';

const content = Buffer.from('a few words, again and again; '.repeat(20_000));

/** What comes out when the bytes come in pieces of that size. */
async function passed(bytes: Buffer, piece = bytes.length): Promise<Buffer> {
  const pieces = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) =>
    bytes.subarray(i * piece, (i + 1) * piece),
  );
  return buffer(oneMember(Readable.from(pieces)));
}

/** A member with every optional part of a header: extra field, name, comment and checksum. */
function withFullHeader(): Buffer {
  const plain = gzipSync(content);
  const header = Buffer.concat([
    plain.subarray(0, 10),
    Buffer.from([3, 0, 1, 2, 3]),
    Buffer.from('name\0comment\0'),
    Buffer.from([0, 0]),
  ]);
  header[3] = 2 | 4 | 8 | 16;
  return Buffer.concat([header, deflateRawSync(content), plain.subarray(-8)]);
}

describe('a gzip stream of one member passes as it is', () => {
  for (const piece of [1 << 20, 1000, 7]) {
    test(`in pieces of ${piece} bytes`, async () => {
      const bytes = gzipSync(content);
      assert.ok((await passed(bytes, piece)).equals(bytes));
    });
  }

  test('with all that a header may have', async () => {
    const bytes = withFullHeader();
    assert.ok((await passed(bytes, 5)).equals(bytes));
  });

  test('with nothing in it', async () => {
    const bytes = gzipSync(Buffer.alloc(0));
    assert.ok((await passed(bytes)).equals(bytes));
  });
});

describe('a gzip stream of several members is refused', () => {
  for (const piece of [1 << 20, 1000, 7]) {
    test(`in pieces of ${piece} bytes`, async () => {
      const bytes = Buffer.concat([gzipSync(content), gzipSync(content)]);
      await assert.rejects(passed(bytes, piece), /more than one gzip member/);
    });
  }
});

test('a stream that is broken, or ends too early, is refused', async () => {
  const bytes = gzipSync(content);
  await assert.rejects(passed(bytes.subarray(0, bytes.length / 2)));
  const broken = Buffer.from(bytes);
  broken.fill(0xff, 20, 200);
  await assert.rejects(passed(broken));
});
