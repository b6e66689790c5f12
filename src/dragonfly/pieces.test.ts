import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SMALLEST_PIECE, sampleOffsets, wantedBytes } from './pieces.ts';

const MIB = 1024 * 1024;

test('a blob of one piece is sampled once', () => {
  assert.deepEqual(sampleOffsets({ size: 1 }), [0]);
  assert.deepEqual(sampleOffsets({ size: SMALLEST_PIECE }), [0]);
});

test('an empty blob has nothing to sample', () => {
  assert.deepEqual(sampleOffsets({ size: 0 }), []);
});

for (const length of [4 * MIB, 5 * MIB, 8 * MIB, 7 * MIB + 13, 64 * MIB]) {
  test(`every piece is hit when pieces have ${length} bytes`, () => {
    for (const size of [length, length + 1, 3 * length - 1, 10 * length, 10 * length + 5]) {
      const offsets = sampleOffsets({ size });
      const pieces = new Set(offsets.map((offset) => Math.floor(offset / length)));
      assert.equal(pieces.size, Math.ceil(size / length), `size ${size}`);
      assert.ok(offsets.every((offset) => offset < size));
    }
  });
}

test('of a blob that is wanted in part, the pieces that hold the parts are sampled, and weigh what they weigh', () => {
  const wanted = {
    size: 5 * SMALLEST_PIECE + 100,
    ranges: [
      { offset: SMALLEST_PIECE - 1, length: 2 },
      { offset: 5 * SMALLEST_PIECE + 10, length: 5 },
    ],
  };
  assert.deepEqual(sampleOffsets(wanted), [0, SMALLEST_PIECE, 5 * SMALLEST_PIECE, 5 * SMALLEST_PIECE + 99]);
  assert.equal(wantedBytes(wanted), 2 * SMALLEST_PIECE + 100);
  assert.equal(wantedBytes({ size: 10 }), 10);
});
