import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { layerMeter } from './bounds.ts';

const BOUNDS = { entries: 3, freeBytes: 1000, ratio: 10 };

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
    assert.throws(() => meter.bytes(1), /more than 1000 and 10 times the 200 bytes stored/);
  });

  test('may have so many files', () => {
    const meter = layerMeter(1, BOUNDS);
    for (let i = 0; i < 3; i += 1) {
      meter.entry();
    }
    assert.throws(() => meter.entry(), /it has more than 3 files/);
  });
});
