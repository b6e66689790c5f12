import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SMALLEST_PIECE, sampleOffsets } from './pieces.ts';

const MIB = 1024 * 1024;

test('a blob of one piece is sampled once', () => {
  assert.deepEqual(sampleOffsets(1), [0]);
  assert.deepEqual(sampleOffsets(SMALLEST_PIECE), [0]);
});

test('an empty blob has nothing to sample', () => {
  assert.deepEqual(sampleOffsets(0), []);
});

for (const length of [4 * MIB, 5 * MIB, 8 * MIB, 7 * MIB + 13, 64 * MIB]) {
  test(`every piece is hit when pieces have ${length} bytes`, () => {
    for (const size of [length, length + 1, 3 * length - 1, 10 * length, 10 * length + 5]) {
      const offsets = sampleOffsets(size);
      const pieces = new Set(offsets.map((offset) => Math.floor(offset / length)));
      assert.equal(pieces.size, Math.ceil(size / length), `size ${size}`);
      assert.ok(offsets.every((offset) => offset < size));
    }
  });
}
