import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { describeProgress, progressMeter, type Progress, type ProgressMeter } from './progress.ts';
import { stopwatch } from './stopwatch.ts';

let time: number;
let reports: Progress[];
let meter: ProgressMeter;

beforeEach(() => {
  time = 0;
  reports = [];
  const layers = new Map([
    ['a', 300],
    ['b', 100],
  ]);
  meter = progressMeter(
    layers,
    (progress) => reports.push(progress),
    () => time,
  );
});

test('progress is reported at once, and then at most once a second', () => {
  for (; time < 2500; time += 100) {
    meter.layer('a', time / 10);
  }
  assert.deepEqual(
    reports.map(({ bytesDone }) => bytesDone),
    [0, 100, 200],
  );
});

test('progress counts the bytes of all layers against their sum', () => {
  meter.layer('a', 150);
  meter.layer('b', 50);
  meter.layerDone('b');
  meter.finish();
  assert.deepEqual(reports.at(-1), { bytesDone: 250, bytesTotal: 400, percent: 62, layersDone: 1, layersTotal: 2 });
});

test('a layer that starts over does not count twice', () => {
  meter.layer('a', 299);
  meter.layer('a', 10);
  meter.layerDone('a');
  meter.layerDone('b');
  meter.finish();
  assert.deepEqual(reports.at(-1), { bytesDone: 400, bytesTotal: 400, percent: 100, layersDone: 2, layersTotal: 2 });
});

test('an image of empty layers is a hundred percent done', () => {
  progressMeter(
    new Map([['a', 0]]),
    (progress) => reports.push(progress),
    () => time,
  ).finish();
  assert.equal(reports.at(-1)?.percent, 100);
});

test('a stopwatch counts time in which several things run once', async () => {
  const watch = stopwatch(() => time);
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const running = [watch.during(() => first.promise)];
  time = 100;
  running.push(watch.during(() => second.promise));
  time = 300;
  first.resolve();
  await running[0];
  time = 1000;
  second.reject(new Error('failed'));
  await Promise.allSettled(running);
  time = 5000;
  assert.equal(watch.elapsed(), 1000);
  await watch.during(async () => {
    time = 5500;
  });
  assert.equal(watch.elapsed(), 1500);
});

test('a person reads bytes and layers', () => {
  const progress = { percent: 42, bytesDone: 180 << 20, bytesTotal: 430 << 20, layersDone: 5, layersTotal: 9 };
  assert.equal(describeProgress(progress, 'layers'), '42 %: 180 MiB of 430 MiB, 5 of 9 layers');
});
