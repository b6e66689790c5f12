import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coarsen, formatRanges, parseRanges } from './ranges.ts';

test('coarser ranges hold the same bytes, in order, and do not touch', () => {
  const ranges = [
    { offset: 25, length: 10 },
    { offset: 3, length: 4 },
    { offset: 8, length: 3 },
    { offset: 60, length: 1 },
    { offset: 70, length: 0 },
  ];
  assert.deepEqual(coarsen(ranges, 10), [
    { offset: 0, length: 40 },
    { offset: 60, length: 10 },
  ]);
  assert.deepEqual(coarsen([], 10), []);
});

test('ranges are read as they were written, and nothing else is', () => {
  const ranges = [
    { offset: 0, length: 10 },
    { offset: 40, length: 1 },
  ];
  assert.equal(formatRanges(ranges), '0-9,40-40');
  assert.deepEqual(parseRanges('0-9,40-40'), ranges);
  for (const text of ['', '1', '9-3', '1-2,', 'a-b', '1-2;3-4', '1-99999999999999999999']) {
    assert.equal(parseRanges(text), undefined, text);
  }
});
