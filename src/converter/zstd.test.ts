import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { constants, createZstdDecompress, zstdCompressSync } from 'node:zlib';
import { frameSplitter } from './zstd.ts';

const SKIPPABLE = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
const EMPTY_SKIPPABLE = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);

async function decode(chunks: Iterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  await pipeline(
    Readable.from(chunks),
    frameSplitter(),
    createZstdDecompress(),
    async (decoded: AsyncIterable<Buffer>) => {
      for await (const part of decoded) {
        parts.push(part);
      }
    },
  );
  return Buffer.concat(parts).toString();
}

function* bytewise(buffer: Buffer): Generator<Buffer> {
  for (let i = 0; i < buffer.length; i += 1) {
    yield buffer.subarray(i, i + 1);
  }
}

function frame(text: string, checksum = false): Buffer {
  return zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0 } });
}

const text = Array.from({ length: 50_000 }, (_, i) => `line ${i % 977} of ${i}\n`).join('');
const frames: Record<string, { bytes: Buffer; text: string }> = {
  'one frame': { bytes: frame('hello'), text: 'hello' },
  'an empty frame': { bytes: frame(''), text: '' },
  'several frames': { bytes: Buffer.concat([frame('a'), frame(''), frame('b', true), frame('c')]), text: 'abc' },
  'frames of many blocks': { bytes: Buffer.concat([frame(text, true), frame(text)]), text: text + text },
  'a frame of runs of one byte': {
    bytes: Buffer.concat([frame('x'.repeat(400_000)), frame('y')]),
    text: `${'x'.repeat(400_000)}y`,
  },
  'skippable frames before, between and after': {
    bytes: Buffer.concat([SKIPPABLE, frame('a'), EMPTY_SKIPPABLE, SKIPPABLE, frame('b'), SKIPPABLE]),
    text: 'ab',
  },
};

for (const [name, { bytes, text: expected }] of Object.entries(frames)) {
  test(`${name} in a single chunk decode whole`, async () => {
    assert.equal(await decode([bytes]), expected);
  });
}

test('frames decode whole wherever the chunks are cut', async () => {
  const bytes = Buffer.concat([SKIPPABLE, frame('first', true), EMPTY_SKIPPABLE, frame(''), frame('second')]);
  assert.equal(await decode(bytewise(bytes)), 'firstsecond');
  for (let cut = 1; cut < bytes.length; cut += 1) {
    assert.equal(await decode([bytes.subarray(0, cut), bytes.subarray(cut)]), 'firstsecond', `cut at ${cut}`);
  }
});

test('a stream that ends in the middle of a frame is an error wherever it ends', async () => {
  const bytes = Buffer.concat([frame('first'), frame('second', true)]);
  const whole = frame('first').length;
  for (let end = 1; end < bytes.length; end += 1) {
    if (end !== whole) {
      await assert.rejects(decode([bytes.subarray(0, end)]), /ends in the middle of a frame/, `ended at ${end}`);
    }
  }
});

test('bytes after a frame that are no frame are an error and not dropped', async () => {
  await assert.rejects(decode([Buffer.concat([frame('first'), Buffer.alloc(512)])]), /wrong magic number/);
});
