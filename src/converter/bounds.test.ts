import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { layerMeter } from './bounds.ts';

const BOUNDS = { entries: 3, comparisons: 50, freeBytes: 1000, ratio: 10 };

describe('a layer', () => {
  test('may have so many bytes whatever it is compressed to', () => {
    const meter = layerMeter(1, BOUNDS);
    meter.bytes(999);
    meter.bytes(1);
    assert.throws(() => meter.bytes(1), /it decompresses to more than 1000 bytes/);
  });

  test('may have more of them in proportion to what is stored', () => {
    const meter = layerMeter(200, BOUNDS);
    meter.bytes(2000);
    assert.throws(() => meter.bytes(1), /more than 2000 bytes, the most for 200 bytes stored/);
  });

  test('may not even announce more of them, be it as holes of sparse files', () => {
    assert.throws(() => layerMeter(1, BOUNDS).entry(1001, 1001), /it decompresses to more than/);
    const meter = layerMeter(1, BOUNDS);
    meter.entry(600, 100);
    assert.throws(() => meter.entry(600, 0), /it decompresses to more than/);
  });

  test('may have so many files', () => {
    const meter = layerMeter(1, BOUNDS);
    for (let i = 0; i < 3; i += 1) {
      meter.entry(0, 0);
    }
    assert.throws(() => meter.entry(0, 0), /it has more than 3 files/);
  });

  test('may have folders so wide that nydus-image still gets through them', () => {
    const meter = layerMeter(1, BOUNDS);
    meter.comparisons(50);
    assert.throws(() => meter.comparisons(1), /folders with so many files/);
  });
});
