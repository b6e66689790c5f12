import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuantity } from './quantity.ts';

const QUANTITIES: [string, number][] = [
  ['0', 0],
  ['42', 42],
  ['1.5', 1.5],
  ['.5', 0.5],
  ['-3', -3],
  ['+7', 7],
  ['100m', 0.1],
  ['250u', 0.00025],
  ['5n', 5e-9],
  ['2k', 2000],
  ['3M', 3e6],
  ['1E', 1e18],
  ['1Ki', 1024],
  ['1Gi', 1_073_741_824],
  ['1.5Gi', 1_610_612_736],
  ['1e3', 1000],
  ['12E2', 1200],
  ['1e-3', 0.001],
];

for (const [text, expected] of QUANTITIES) {
  test(`the quantity ${text} is ${expected}`, () => {
    assert.equal(parseQuantity(text), expected);
  });
}

for (const text of ['', 'much', '1 Gi', '1gi', '1ki', '1K', '--1', '1e', '0x10', 'NaN', '<unknown>']) {
  test(`${JSON.stringify(text)} is not a quantity`, () => {
    assert.ok(Number.isNaN(parseQuantity(text)));
  });
}
