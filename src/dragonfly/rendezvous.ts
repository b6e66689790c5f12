import { createHash } from 'node:crypto';
import type { Placement } from './budget.ts';
import type { Blob, Seed } from './provider.ts';

/**
 * The seeds on which a blob is to be, its first one first: those of the highest weights, where the weight of a seed is a hash
 * of its name and the digest (rendezvous hashing, Thaler and Ravishankar 1998). Nobody has to remember who has what; a seed
 * that goes moves only the blobs that were on it, and one that comes takes only its share.
 * @param count how many; more than there are means all
 */
export function chooseSeeds(seeds: readonly Seed[], digest: string, count: number = seeds.length): Seed[] {
  return seeds
    .map((seed) => ({ seed, weight: weightOf(seed, digest) }))
    .toSorted((a, b) => (a.weight < b.weight ? 1 : -1))
    .slice(0, count)
    .map(({ seed }) => seed);
}

function weightOf({ name }: Seed, digest: string): string {
  return createHash('sha256').update(`${name} ${digest}`).digest('hex');
}

/** Every blob with every seed on which it is to be, seed by seed. */
export function placementsOf(blobs: readonly Blob[], seeds: readonly Seed[], count?: number): Placement[] {
  const chosen = new Map(blobs.map(({ digest }) => [digest, new Set(chooseSeeds(seeds, digest, count))]));
  return seeds.flatMap((seed) =>
    blobs.filter(({ digest }) => chosen.get(digest)?.has(seed)).map((blob) => ({ seed, blob })),
  );
}
