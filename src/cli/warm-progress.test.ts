import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressMeter, renderStanding, showProgress } from './warm-progress.ts';

const MIB = 2 ** 20;
const HALF = { bytes: { done: 50 * MIB, total: 100 * MIB }, blobs: { done: 3, total: 8 }, rate: 12.5 * MIB };

test('a standing is a bar on a terminal, and plain words in a log', () => {
  const words = '50 %  50.0 MiB of 100 MiB  3/8 blobs  12.5 MiB/s';
  assert.equal(renderStanding(HALF, true), `[############------------] ${words}`);
  assert.equal(renderStanding(HALF, false), words);
});

test('when one seed peer has all of it, it is said what is still being done', () => {
  const line = renderStanding({ ...HALF, bytes: { done: 1, total: 1 }, blobs: { done: 8, total: 8 } }, false);
  assert.equal(line, '100 %  1 B of 1 B  8/8 blobs  on one seed peer, reading back and bringing it to the rest');
});

test('images are added up, and the rate is that of the last seconds', () => {
  let now = 0;
  const meter = new ProgressMeter({ bytes: 100, blobs: 4 }, { monotonic: () => now });
  meter.report(0, { bytes: 20, blobs: 1 });
  meter.report(1, { bytes: 10, blobs: 0 });
  now = 1000;
  assert.deepEqual(meter.standing(), {
    bytes: { done: 30, total: 100 },
    blobs: { done: 1, total: 4 },
    rate: 30,
  });
  meter.report(0, { bytes: 22, blobs: 1 });
  now = 5000;
  meter.standing();
  now = 7000;
  // The first second has left the window.
  assert.equal(meter.standing().rate, 2 / 6);
});

test('on a terminal the line is drawn over itself, no wider than that, and gone at the end', async () => {
  const done = Promise.withResolvers<void>();
  const written: string[] = [];
  const sink = { isTTY: true, columns: 30, write: (text: string) => written.push(text) };
  let ticks = 0;
  const clock = {
    monotonic: () => 0,
    async sleep(_ms: number, signal?: AbortSignal) {
      if (++ticks > 2) {
        done.resolve();
        await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
      }
    },
  };
  await showProgress(done.promise, new ProgressMeter({ bytes: 10, blobs: 1 }, clock), sink, clock);
  const line = '\r\u001B[K[------------------------] 0 ';
  assert.deepEqual(written, [line, line, '\r\u001B[K']);
});
