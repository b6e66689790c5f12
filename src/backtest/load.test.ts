import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCsv } from './csv.ts';
import { resample } from './load.ts';

test('times are RFC 3339, a date and a time of UTC, or seconds; a heading may come first', () => {
  const expected = [
    { at: 1000, value: 1.5 },
    { at: 16_000, value: 2 },
  ];
  for (const text of [
    'time,value\n1970-01-01T00:00:01Z,1.5\n1970-01-01T00:00:16Z,2\n',
    'timestamp,value\r\n1970-01-01 00:00:01,1.5\r\n1970-01-01 00:00:16,2',
    '1,1.5\n\n16,2\n',
    '"1","1.5"\n"16","2"\n',
  ]) {
    assert.deepEqual(parseCsv(text, 'load.csv'), expected);
  }
});

test('what is no number is a gap', () => {
  assert.equal(parseCsv('0,1\n15,NaN\n30,\n45,+Inf\n60,2\n', 'load.csv').length, 2);
});

test('what is no load is said with its line', () => {
  assert.throws(() => parseCsv('0,1\nsoon,2\n', 'load.csv'), /load\.csv, line 2: "soon,2" is not time,value/);
  assert.throws(
    () => parseCsv('15,1\n0,2\n', 'load.csv'),
    /load\.csv, line 2: 0 is not later .*; sort the lines by time/,
  );
  assert.throws(() => parseCsv('time,value\n0,1\n', 'load.csv'), /load\.csv has fewer than two measurements/);
});

test('in between two measurements lies the straight line', () => {
  const measurements = [
    { at: 0, value: 10 },
    { at: 60_000, value: 50 },
    { at: 75_000, value: 0 },
  ];
  assert.deepEqual(resample(measurements), { startMs: 0, values: [10, 20, 30, 40, 50, 0] });
});

test('a load of one moment, and one of centuries, are refused', () => {
  assert.throws(() => resample([{ at: 0, value: 1 }]), /two or more are needed/);
  const centuries = [
    { at: 0, value: 1 },
    { at: 1e13, value: 1 },
  ];
  assert.throws(() => resample(centuries), /more than two years/);
});
