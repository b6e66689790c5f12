import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { openEntry, readContents, type BlobEntry, type BlobReader } from './blobtoc.ts';
import { keepTail, withTail } from './tail.ts';

function reader(bytes: Buffer, asked: [number, number][] = []): BlobReader {
  return {
    size: bytes.length,
    async read(offset, length) {
      asked.push([offset, length]);
      assert.ok(offset >= 0 && offset + length <= bytes.length, 'read inside of the blob');
      return Readable.from([bytes.subarray(offset, offset + length)]);
    },
  };
}

/** A tar header as nydus-image writes it after the data. */
function header(name: string, size: number, binary = false): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write(name, 0, 'latin1');
  if (binary) {
    bytes[124] = 0x80;
    bytes.writeBigUInt64BE(BigInt(size), 128);
  } else {
    bytes.write(size.toString(8).padStart(11, '0'), 124, 'latin1');
  }
  bytes.write('ustar  ', 257, 'latin1');
  return bytes;
}

interface Part {
  name: string;
  content: Buffer;
  zstd?: boolean;
  sha256?: string;
}

function tocEntry(part: Part, offset: number, stored: Buffer): Buffer {
  const bytes = Buffer.alloc(128);
  bytes.writeUInt32LE(part.zstd === true ? 2 : 1, 0);
  bytes.write(part.name, 8, 'latin1');
  bytes.write(part.sha256 ?? createHash('sha256').update(part.content).digest('hex'), 24, 'hex');
  bytes.writeBigUInt64LE(BigInt(offset), 56);
  bytes.writeBigUInt64LE(BigInt(stored.length), 64);
  bytes.writeBigUInt64LE(BigInt(part.content.length), 72);
  return bytes;
}

function blobOf(parts: Part[], withToc: boolean): Buffer {
  const pieces: Buffer[] = [];
  const toc: Buffer[] = [];
  let offset = 0;
  for (const part of parts) {
    const stored = part.zstd === true ? zstdCompressSync(part.content) : part.content;
    toc.push(tocEntry(part, offset, stored));
    pieces.push(stored, header(part.name, stored.length));
    offset += stored.length + 512;
  }
  const table = Buffer.concat(toc);
  return Buffer.concat([...pieces, ...(withToc ? [table, header('rafs.blob.toc', table.length)] : [])]);
}

async function contentOf(blob: BlobReader, entry: BlobEntry | undefined): Promise<string> {
  assert.ok(entry !== undefined);
  const parts: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk);
      done();
    },
  });
  await pipeline([...(await openEntry(blob, entry)), sink]);
  return Buffer.concat(parts).toString();
}

const parts: Part[] = [
  { name: 'image.blob', content: Buffer.alloc(100_000, 'chunk') },
  { name: 'blob.meta.header', content: Buffer.from('a name of sixteen characters') },
  { name: 'image.boot', content: Buffer.from('the tree '.repeat(1000)), zstd: true },
];
const boot = (entries: BlobEntry[]): BlobEntry | undefined => entries.find(({ name }) => name === 'image.boot');

describe('a RAFS blob with a table of contents', () => {
  const bytes = blobOf(parts, true);

  test('shows the parts that describe it after two small reads at its end', async () => {
    const asked: [number, number][] = [];
    const { entries } = await readContents(reader(bytes, asked));
    assert.deepEqual(
      entries.map(({ name, compression, size }) => ({ name, compression, size })),
      [
        { name: 'blob.meta.header', compression: 'none', size: 28 },
        { name: 'image.boot', compression: 'zstd', size: 9000 },
      ],
    );
    assert.deepEqual(asked, [
      [bytes.length - 512, 512],
      [bytes.length - 512 - 3 * 128, 3 * 128],
    ]);
  });

  test('gives a part decompressed, reading nothing else', async () => {
    const asked: [number, number][] = [];
    const blob = reader(bytes, asked);
    const entry = boot((await readContents(blob)).entries);
    asked.length = 0;
    assert.equal(await contentOf(blob, entry), 'the tree '.repeat(1000));
    assert.deepEqual(asked, [[entry?.offset, entry?.compressedSize]]);
  });

  test('is not believed when a part is not what the table says', async () => {
    const lie = blobOf([{ name: 'image.boot', content: Buffer.from('tree'), sha256: '0'.repeat(64) }], true);
    await assert.rejects(
      contentOf(reader(lie), boot((await readContents(reader(lie))).entries)),
      /image.boot is not what/,
    );
  });

  test('is refused when a part lies outside of it', async () => {
    const lie = Buffer.from(bytes);
    lie.writeBigUInt64LE(1n << 40n, bytes.length - 512 - 128 + 56);
    await assert.rejects(readContents(reader(lie)), /image.boot lies outside of it/);
  });
});

test('a RAFS blob without a table of contents is walked from its end, as RAFS v5 wants', async () => {
  const plain = parts.map((part) => ({ ...part, zstd: false }));
  const blob = reader(blobOf(plain, false));
  const { entries } = await readContents(blob);
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['image.boot', 'blob.meta.header', 'image.blob'],
  );
  assert.equal(await contentOf(blob, boot(entries)), 'the tree '.repeat(1000));
});

test('sizes beyond eight gigabytes are read, which tar writes in binary', async () => {
  const size = 10 * 2 ** 30;
  const tail = Buffer.concat([header('image.blob', size, true), Buffer.from('tree'), header('image.boot', 4)]);
  const start = size;
  const blob: BlobReader = {
    size: start + tail.length,
    read: async (offset, length) => Readable.from([tail.subarray(offset - start, offset - start + length)]),
  };
  assert.deepEqual(
    (await readContents(blob)).entries.map(({ name, offset, size: bytes }) => [name, offset, bytes]),
    [
      ['image.boot', start + 512, 4],
      ['image.blob', 0, size],
    ],
  );
});

test('what is no RAFS blob is refused', async () => {
  await assert.rejects(readContents(reader(Buffer.alloc(0))), /no RAFS blob: there is no room/);
  await assert.rejects(readContents(reader(Buffer.alloc(2048))), /no RAFS blob: there is no header/);
  await assert.rejects(readContents(reader(header('image.boot', 5))), /no RAFS blob: a part of 5 bytes ends at 0/);
});

describe('the tail of a stream', () => {
  test('holds at least its capacity, and no more than a chunk above it', () => {
    const tail = keepTail(100);
    for (let i = 0; i < 50; i += 1) {
      tail.push(Buffer.alloc(30, i));
    }
    const bytes = tail.bytes();
    assert.ok(bytes.length >= 100 && bytes.length < 130, `${bytes.length}`);
    assert.equal(bytes.at(-1), 49);
  });

  test('serves the end of a blob from memory and the rest from where it is', async () => {
    const bytes = Buffer.from('0123456789');
    const asked: [number, number][] = [];
    const blob = withTail(reader(bytes, asked), bytes.subarray(6));
    assert.equal((await buffer(await blob.read(6, 3))).toString(), '678');
    assert.equal((await buffer(await blob.read(9, 1))).toString(), '9');
    assert.deepEqual(asked, []);
    assert.equal((await buffer(await blob.read(5, 3))).toString(), '567');
    assert.deepEqual(asked, [[5, 3]]);
  });
});
