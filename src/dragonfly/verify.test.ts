import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent } from 'undici';
import { startSeedDouble } from '../../test/doubles/seed-peer.ts';
import { blobOf, imageOf } from '../../test/support/images.ts';
import { HurriedClock } from '../../test/support/hurried-clock.ts';
import type { BlobState, Seed, WarmImage } from './provider.ts';
import { SMALLEST_PIECE } from './pieces.ts';
import { placementsOf } from './rendezvous.ts';
import { createWarmMemory, verifyImage } from './verify.ts';
import type { WarmMemory } from './verify.ts';

const BIG = blobOf('big', 3 * SMALLEST_PIECE);
const SMALL = blobOf('small', 10);
const IMAGE = imageOf([BIG, SMALL], { authorization: 'Bearer abc' });

async function verify(
  seeds: readonly Seed[],
  image: WarmImage = IMAGE,
  memory: WarmMemory = createWarmMemory(),
): Promise<BlobState[]> {
  const signal = new AbortController().signal;
  return await verifyImage(image, placementsOf(image.blobs, seeds), memory, {
    dispatcher: new Agent(),
    clock: new HurriedClock(),
    signal,
  });
}

function hexOf(blob: { digest: string }): string {
  return blob.digest.slice('sha256:'.length);
}

test('a blob is warm when every piece comes back, and then no origin was named to the seed', async () => {
  await using double = await startSeedDouble();
  double.pieces.set(hexOf(BIG), new Set([0, 1, 2])).set(hexOf(SMALL), new Set([0]));
  assert.deepEqual(await verify([double.seed]), [
    { digest: BIG.digest, seed: 'seed-0', warm: true },
    { digest: SMALL.digest, seed: 'seed-0', warm: true },
  ]);
  assert.ok(double.requests.every(({ origin, authorization }) => origin === undefined && authorization === undefined));
});

test('a blob is cold when one piece is missing, though the seed calls its task finished', async () => {
  await using double = await startSeedDouble();
  double.pieces.set(hexOf(BIG), new Set([0, 2]));
  const [state] = await verify([double.seed], imageOf([BIG]));
  assert.deepEqual([state?.warm, state?.reason], [false, 'Cold']);
  assert.match(state?.message ?? '', /the piece at 4194304 of 12582912 is missing/);
});

test('saying why a blob is cold costs the origin its first piece at most', async () => {
  await using double = await startSeedDouble();
  await verify([double.seed], imageOf([BIG]));
  assert.deepEqual([...(double.pieces.get(hexOf(BIG)) ?? [])], [0]);
  const [state] = await verify([double.seed], imageOf([BIG]));
  assert.equal(state?.reason, 'Cold');
  assert.deepEqual([...(double.pieces.get(hexOf(BIG)) ?? [])], [0]);
});

test('a blob that was once warm and is not any more was evicted', async () => {
  await using double = await startSeedDouble();
  const memory = createWarmMemory();
  double.pieces.set(hexOf(SMALL), new Set([0]));
  await verify([double.seed], imageOf([SMALL]), memory);
  double.pieces.clear();
  const [state] = await verify([double.seed], imageOf([SMALL]), memory);
  assert.equal(state?.reason, 'Evicted');
});

test('a blob that was whole is asked for two pieces from then on, and for all of them by turns', async () => {
  await using double = await startSeedDouble();
  const memory = createWarmMemory();
  double.pieces.set(hexOf(BIG), new Set([0, 1, 2]));
  const asked: number[][] = [];
  for (let look = 0; look < 4; look++) {
    const before = double.requests.length;
    await verify([double.seed], imageOf([BIG]), memory);
    asked.push(double.requests.slice(before).map(({ offset }) => offset));
  }
  const last = BIG.size - 1;
  assert.deepEqual(asked, [
    [0, SMALLEST_PIECE, 2 * SMALLEST_PIECE, last],
    [SMALLEST_PIECE, last],
    [2 * SMALLEST_PIECE, last],
    [last],
  ]);
});

test('a blob that was evicted and came back in part is read whole again before it is called warm', async () => {
  await using double = await startSeedDouble();
  const memory = createWarmMemory();
  double.pieces.set(hexOf(BIG), new Set([0, 1, 2]));
  await verify([double.seed], imageOf([BIG]), memory);
  double.pieces.delete(hexOf(BIG));
  await verify([double.seed], imageOf([BIG]), memory);
  double.pieces.set(hexOf(BIG), new Set([1, 2]));
  const [state] = await verify([double.seed], imageOf([BIG]), memory);
  assert.deepEqual([state?.warm, state?.reason], [false, 'Evicted']);
});

test('a seed that files blobs under other ids than pullers ask for says so', async () => {
  // With ids made of URLs, nothing is found without the origin.
  await using double = await startSeedDouble({ taskID: () => 'f'.repeat(64) });
  const [state] = await verify([double.seed], imageOf([SMALL]));
  assert.equal(state?.reason, 'TaskIDMismatch');
  assert.match(state?.message ?? '', /enableTaskIDBasedBlobDigest: true/);
});

test('a cold blob that the origin refuses to the seed is rejected', async () => {
  await using double = await startSeedDouble({
    fault: ({ origin }) =>
      origin === undefined ? undefined : { status: 401, headers: { 'X-Dragonfly-Error-Type': 'backend' } },
  });
  const [state] = await verify([double.seed], imageOf([SMALL]));
  assert.equal(state?.reason, 'OriginRejected');
});

test('each seed answers for itself, and one that is down takes none of the others with it', async () => {
  await using up = await startSeedDouble({ name: 'up' });
  up.pieces.set(hexOf(BIG), new Set([0, 1, 2])).set(hexOf(SMALL), new Set([0]));
  const down = { name: 'down', url: 'http://127.0.0.1:1' };
  const states = await verify([down, up.seed]);
  assert.deepEqual(
    states.map(({ seed, warm, reason }) => [seed, warm, reason]),
    [
      ['down', false, 'SeedUnreachable'],
      ['down', false, 'SeedUnreachable'],
      ['up', true, undefined],
      ['up', true, undefined],
    ],
  );
  assert.deepEqual(
    states.map(({ digest }) => digest),
    [BIG.digest, SMALL.digest, BIG.digest, SMALL.digest],
  );
});

test('each blob is looked at for itself, however many are cold', async () => {
  await using double = await startSeedDouble();
  const blobs = Array.from({ length: 12 }, (_, i) => blobOf(`blob ${i}`, 2 * SMALLEST_PIECE));
  for (const blob of blobs.slice(6)) {
    double.pieces.set(hexOf(blob), new Set([0, 1]));
  }
  const states = await verify([double.seed], imageOf(blobs));
  assert.deepEqual(
    states.map(({ warm }) => warm),
    blobs.map((_, i) => i >= 6),
  );
});

test('a seed that limits its requests is asked again', async () => {
  let refusals = 3;
  await using double = await startSeedDouble({
    fault: () => (refusals-- > 0 ? { status: 429, headers: { 'X-Dragonfly-Error-Type': 'proxy' } } : undefined),
  });
  double.pieces.set(hexOf(SMALL), new Set([0]));
  const [state] = await verify([double.seed], imageOf([SMALL]));
  assert.equal(state?.warm, true);
});

test('a seed that goes on limiting its requests is not called cold', async () => {
  await using double = await startSeedDouble({
    fault: () => ({ status: 429, headers: { 'X-Dragonfly-Error-Type': 'proxy' } }),
  });
  const [state] = await verify([double.seed], imageOf([SMALL]));
  assert.equal(state?.reason, 'SeedUnreachable');
});

test('a verification that is aborted ends with the reason', async () => {
  const abort = new AbortController();
  await using double = await startSeedDouble({
    fault: () => {
      abort.abort(new Error('shutting down'));
      return undefined;
    },
  });
  const options = { dispatcher: new Agent(), clock: new HurriedClock(), signal: abort.signal };
  await assert.rejects(
    verifyImage(IMAGE, placementsOf(IMAGE.blobs, [double.seed]), createWarmMemory(), options),
    /shutting down/,
  );
});
