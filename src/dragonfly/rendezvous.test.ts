import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobOf } from '../../test/support/images.ts';
import type { Seed } from './provider.ts';
import { chooseSeeds, placementsOf } from './rendezvous.ts';

const BLOBS = Array.from({ length: 300 }, (_, i) => blobOf(`blob ${i}`, 1));

function seedsNamed(...names: string[]): Seed[] {
  return names.map((name) => ({ name, url: `http://${name}:4001` }));
}

/** Names of the seeds of each blob. */
function chosen(seeds: readonly Seed[], count: number): string[][] {
  return BLOBS.map(({ digest }) => chooseSeeds(seeds, digest, count).map(({ name }) => name));
}

test('a blob goes to as many seeds as it is to be on, whatever their order and their addresses', () => {
  const names = chosen(seedsNamed('a', 'b', 'c', 'd'), 2);
  assert.ok(names.every((each) => new Set(each).size === 2));
  assert.deepEqual(
    chosen(
      seedsNamed('d', 'b', 'a', 'c').map(({ name }) => ({ name, url: 'http://[::1]' })),
      2,
    ),
    names,
  );
});

test('each seed gets its share, and is the first of its share', () => {
  for (const name of ['a', 'b', 'c']) {
    const first = chosen(seedsNamed('a', 'b', 'c'), 1).filter(([each]) => each === name).length;
    assert.ok(first > 60 && first < 140, `${name}: ${first} of 300`);
  }
});

test('a seed that goes moves only the blobs that were on it, and back when it comes again', () => {
  const before = chosen(seedsNamed('a', 'b', 'c', 'd'), 2);
  const after = chosen(seedsNamed('a', 'b', 'd'), 2);
  for (const [i, names] of before.entries()) {
    const kept = names.filter((name) => name !== 'c');
    assert.ok(kept.every((name) => after[i]?.includes(name)));
  }
});

test('more replicas than seeds, or none said, means every seed', () => {
  const seeds = seedsNamed('a', 'b');
  const [blob] = BLOBS;
  assert.equal(chooseSeeds(seeds, blob?.digest ?? '', 5).length, 2);
  assert.equal(placementsOf(BLOBS, seeds).length, 600);
});

test('more replicas are a superset of fewer, so that what policies share is shared', () => {
  const seeds = seedsNamed('a', 'b', 'c', 'd');
  const one = chosen(seeds, 1);
  assert.ok(chosen(seeds, 3).every((names, i) => names[0] === one[i]?.[0]));
});
