import { HttpError } from './http.ts';
import { TASK_ID_REMEDY, isDragonflyProxy, probe, taskIDOf } from './probe.ts';
import type { ProbeOptions } from './probe.ts';
import { ProviderError } from './provider.ts';
import type { Blob, BlobState, Seed, WarmImage } from './provider.ts';

/**
 * The seeds of now.
 * @throws ProviderError `Unreachable` when there are none
 */
export async function listSeeds(seeds: () => Promise<readonly Seed[]>): Promise<readonly Seed[]> {
  const found = await seeds();
  if (found.length === 0) {
    throw new ProviderError('Unreachable', 'no seed peer is known: see endpoints and service of the provider');
  }
  return found;
}

/** What was last seen of the ids under which seeds file blobs: a blob for each seed where that was a wrong one. */
export interface MismatchMemory {
  /** Takes note of what a verification found. */
  learn(image: WarmImage, states: readonly BlobState[]): void;
  /** The blob by which to tell whether a seed still does it wrong; undefined where nothing wrong was seen. */
  blobOf(seed: Seed): Blob | undefined;
  forget(seed: Seed): void;
}

/** Makes an empty {@link MismatchMemory}. */
export function createMismatchMemory(): MismatchMemory {
  const blobs = new Map<string, Blob>();
  return {
    learn(image, states) {
      for (const { seed, digest, warm, reason } of states) {
        const blob = image.blobs.find((each) => each.digest === digest);
        if (warm) {
          blobs.delete(seed);
        } else if (reason === 'TaskIDMismatch' && blob !== undefined) {
          blobs.set(seed, blob);
        }
      }
    },
    blobOf: ({ name }) => blobs.get(name),
    forget: ({ name }) => void blobs.delete(name),
  };
}

/**
 * At least one of the seeds answers as a Dragonfly proxy does, and none is known to file blobs under ids that nobody asks for.
 * Whether it does cannot be asked without a blob; one is asked for, a byte of it, where it was seen before: the seed has it.
 * @throws ProviderError, or the signal's reason
 */
export async function checkSeeds(
  seeds: readonly Seed[],
  mismatches: MismatchMemory,
  options: ProbeOptions,
): Promise<void> {
  const faults = await Promise.all(seeds.map((seed) => faultOf(seed, options)));
  if (faults.every((fault) => fault !== undefined)) {
    throw new ProviderError('Unreachable', `no seed peer can be used: ${faults.join('; ')}`, {
      reason: 'SeedUnreachable',
    });
  }
  for (const seed of seeds) {
    const blob = mismatches.blobOf(seed);
    if (blob === undefined) {
      continue;
    }
    const result = await probe({ seed, blob, offset: 0, mode: 'fetch' }, options);
    if (result.outcome === 'served' && result.taskID !== taskIDOf(blob)) {
      const found = `seed peer ${seed.name} files blobs under other task ids than pullers ask for`;
      throw new ProviderError('Failed', `${found}: ${TASK_ID_REMEDY}`, { reason: 'TaskIDMismatch' });
    }
    // It does it right now, or cannot say: the next warm finds out.
    mismatches.forget(seed);
  }
}

async function faultOf(seed: Seed, options: ProbeOptions): Promise<string | undefined> {
  try {
    return (await isDragonflyProxy(seed, options))
      ? undefined
      : `${seed.name} at ${seed.url} does not answer as a Dragonfly proxy does`;
  } catch (error) {
    if (!(error instanceof HttpError)) {
      throw error;
    }
    return `${seed.name} at ${seed.url}: ${error.message}`;
  }
}
