import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { blobOf } from '../../test/support/images.ts';
import { createSeedBudget } from './budget.ts';
import type { Blob, Seed } from './provider.ts';
import { placementsOf } from './rendezvous.ts';

const A: Seed = { name: 'a', url: 'http://a:4001' };
const B: Seed = { name: 'b', url: 'http://b:4001' };
const [SHARED, ONE, TWO] = [blobOf('shared', 40), blobOf('one', 40), blobOf('two', 40)];
const EXCEEDED = { reason: 'SeedBudgetExceeded' };

function budgetOf(maxBytes: number | undefined, clock = new FakeClock()) {
  const budget = createSeedBudget(maxBytes, clock);
  return {
    clock,
    reserve: (seed: Seed, ...blobs: Blob[]) => budget.reserve(placementsOf(blobs, [seed])),
    use: (seed: Seed, ...blobs: Blob[]) => blobs.map((blob) => budget.use({ seed, blob })),
  };
}

test('what fits is let through, and what would not is refused with the figures and what to do', () => {
  const { reserve } = budgetOf(100);
  reserve(A, SHARED, ONE);
  assert.throws(() => reserve(A, TWO), {
    ...EXCEEDED,
    message: /seed peer a would have to hold 120 bytes, 80 of them in use already, and maxSeedBytes.*is 100: raise it/,
  });
  reserve(B, TWO);
});

test('a blob that several images have in common counts once', () => {
  const { reserve } = budgetOf(120);
  reserve(A, SHARED, ONE);
  reserve(A, SHARED, TWO);
});

test('a warm that came to nothing leaves nothing counted', () => {
  const { reserve } = budgetOf(80);
  reserve(A, SHARED, ONE)[Symbol.dispose]();
  reserve(A, TWO, ONE);
});

test('what was seen on the seed counts for ten minutes from the last time', async () => {
  const { reserve, use, clock } = budgetOf(80);
  use(A, SHARED, ONE);
  await clock.advance(599_000);
  assert.throws(() => reserve(A, TWO), EXCEEDED);
  use(A, SHARED);
  await clock.advance(2000);
  reserve(A, TWO)[Symbol.dispose]();
  assert.throws(() => reserve(A, ONE, TWO), EXCEEDED);
});

test('what is there already is never refused', () => {
  const { reserve, use } = budgetOf(50);
  use(A, SHARED, ONE);
  reserve(A, SHARED, ONE);
});

test('without a limit nothing is refused', () => {
  const { reserve } = budgetOf(undefined);
  reserve(A, SHARED, ONE, TWO);
});
