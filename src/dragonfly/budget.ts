import type { Clock } from './clock.ts';
import { wantedBytes, wantedKey } from './pieces.ts';
import { ProviderError } from './provider.ts';
import type { Blob, Seed } from './provider.ts';

/** How long a blob counts that nobody has warmed or verified again: policies verify what is warm each minute. */
const IN_USE_MS = 600_000;

/** A blob that is to be on a seed. */
export interface Placement {
  readonly seed: Seed;
  readonly blob: Blob;
}

/**
 * How many bytes on each seed are in use. Counted is what this process warmed or verified within ten minutes, which is what
 * active policies need. Nothing is deleted from a seed: what is not in use any more makes room when the seed itself throws it
 * away, and other users of the seed are not known here.
 */
export interface SeedBudget {
  /**
   * Counts blobs from before they are fetched until they have come or the result is disposed of.
   * @throws ProviderError SeedBudgetExceeded, when a seed would have to hold more than it may
   */
  reserve(placements: readonly Placement[]): Disposable;
  /** Notes that a blob was seen on a seed and is in use. */
  use(placement: Placement): void;
}

interface Entry {
  readonly size: number;
  reservations: number;
  usedAt: number;
}

/**
 * Makes a budget of which nothing is used yet.
 * @param maxBytes for each seed; undefined: no limit
 */
export function createSeedBudget(maxBytes: number | undefined, clock: Clock): SeedBudget {
  if (maxBytes === undefined) {
    return { reserve: () => ({ [Symbol.dispose]: () => undefined }), use: () => undefined };
  }
  const entries = new Map<string, Map<string, Entry>>();

  function entryOf({ seed, blob }: Placement): Entry {
    const onSeed = entries.get(seed.name) ?? new Map<string, Entry>();
    const entry = onSeed.get(wantedKey(blob)) ?? { size: wantedBytes(blob), reservations: 0, usedAt: -Infinity };
    entries.set(seed.name, onSeed.set(wantedKey(blob), entry));
    return entry;
  }

  function forgetUnused(): void {
    for (const [seed, onSeed] of entries) {
      for (const [digest, { reservations, usedAt }] of onSeed) {
        if (reservations === 0 && clock.monotonic() - usedAt > IN_USE_MS) {
          onSeed.delete(digest);
        }
      }
      if (onSeed.size === 0) {
        entries.delete(seed);
      }
    }
  }

  function assertRoom(placements: readonly Placement[], limit: number): void {
    for (const [name, wanted] of Map.groupBy(placements, ({ seed }) => seed.name)) {
      const onSeed = entries.get(name);
      const used = sum([...(onSeed?.values() ?? [])]);
      const blobs = [...new Map(wanted.map(({ blob }) => [wantedKey(blob), blob])).values()].filter(isNew(onSeed));
      const more = sum(blobs.map((blob) => ({ size: wantedBytes(blob) })));
      if (more > 0 && used + more > limit) {
        throw new ProviderError(
          'Failed',
          `seed peer ${name} would have to hold ${used + more} bytes, ${used} of them in use already, and maxSeedBytes of ` +
            `the provider is ${limit}: raise it if the seed's disk allows, lower seedReplicas, or warm fewer images`,
          { reason: 'SeedBudgetExceeded' },
        );
      }
    }
  }

  return {
    reserve(placements) {
      forgetUnused();
      assertRoom(placements, maxBytes);
      const reserved = placements.map(entryOf);
      for (const entry of reserved) {
        entry.reservations += 1;
      }
      return {
        [Symbol.dispose]() {
          for (const entry of reserved.splice(0)) {
            entry.reservations -= 1;
          }
        },
      };
    },
    use(placement) {
      entryOf(placement).usedAt = clock.monotonic();
    },
  };
}

function isNew(onSeed: ReadonlyMap<string, Entry> | undefined): (blob: Blob) => boolean {
  return (blob) => onSeed?.has(wantedKey(blob)) !== true;
}

function sum(sizes: readonly { size: number }[]): number {
  return sizes.reduce((total, { size }) => total + size, 0);
}
