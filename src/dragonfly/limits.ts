import type { Clock } from './clock.ts';
import { createSlots } from './slots.ts';
import type { Slots } from './slots.ts';

/** Blobs that come to one seed at once; each of them comes in several pieces at once. */
const BLOBS_PER_SEED = 4;

/** What a provider may ask of registries and seeds. */
export interface WarmLimits {
  /** Transfers of a blob to a seed that are under way at once. */
  readonly maxConcurrentBlobs: number;
  /** The same, of blobs of one registry. */
  readonly maxConcurrentBlobsPerRegistry: number;
  /** Bytes that may be in use on each seed; undefined: no limit. */
  readonly maxSeedBytes?: number | undefined;
}

/** What holds unless the configuration says otherwise: a few seeds at full speed. */
export const DEFAULT_LIMITS: WarmLimits = { maxConcurrentBlobs: 32, maxConcurrentBlobsPerRegistry: 16 };

const ALL = 'all';

/** The pools in which something takes a place that comes from this registry, and goes to this seed where that is known. */
export function poolsOf(registry: string, seed?: string): string[] {
  return [ALL, `registry ${registry}`, ...(seed === undefined ? [] : [`seed ${seed}`])];
}

/**
 * The places that these limits give.
 * @param blobsEach how many blobs at once each that takes a place brings
 */
export function createWarmSlots(limits: WarmLimits, clock: Clock, blobsEach = 1): Slots {
  const limitOf = (pool: string): number => {
    if (pool.startsWith('seed ')) {
      return BLOBS_PER_SEED;
    }
    return pool === ALL ? limits.maxConcurrentBlobs : limits.maxConcurrentBlobsPerRegistry;
  };
  return createSlots((pool) => Math.max(1, Math.floor(limitOf(pool) / blobsEach)), clock);
}
