import pLimit from 'p-limit';
import { Agent } from 'undici';
import type { Clock } from './clock.ts';
import { startDeadline } from './deadline.ts';
import { HttpError } from './http.ts';
import { sampleOffsets } from './pieces.ts';
import { TASK_ID_REMEDY, isDragonflyProxy, probe, taskIDOf } from './probe.ts';
import type { ProbeMode, ProbeOptions } from './probe.ts';
import { ProviderError } from './provider.ts';
import type { Blob, BlobState, Provider, Seed, WarmImage, WarmOptions, WarmProgress } from './provider.ts';
import { createWarmMemory, verifyImage } from './verify.ts';

/** Blobs that one warm brings to one seed at once; each of them comes in several pieces at once. */
const BLOBS_AT_ONCE = 4;
/** Pause before asking a busy seed or origin again: doubling from the first to the second. */
const PAUSE_MS = { first: 250, longest: 5000 };

export interface SeedPeersOptions {
  /** The seeds of now; asked for at every call. */
  seeds: () => Promise<readonly Seed[]>;
  clock: Clock;
}

/** What one warm keeps in mind. */
interface Warm {
  readonly image: WarmImage;
  readonly probe: ProbeOptions;
  /** How many bytes of a blob, from its first, one seed at least has; by digest. */
  readonly reached: Map<string, number>;
  readonly report: (progress: WarmProgress) => void;
  /** What last kept it waiting, for the message of a timeout. */
  trouble: string | undefined;
}

/** Warms by asking each seed peer itself, through its HTTP proxy; needs neither a manager nor Redis. */
export class SeedPeersProvider implements Provider {
  readonly #seeds: SeedPeersOptions['seeds'];
  readonly #clock: Clock;
  readonly #dispatcher = new Agent({ connect: { timeout: 5000 } });
  readonly #memory = createWarmMemory();

  constructor({ seeds, clock }: SeedPeersOptions) {
    this.#seeds = seeds;
    this.#clock = clock;
  }

  /**
   * One seed gets the blobs from the origin; then the others do, all at once, and find the pieces at the first through the
   * scheduler. A seed that fails does not keep the others from being warmed.
   */
  async warm(image: WarmImage, { timeoutMs, signal, onProgress }: WarmOptions): Promise<void> {
    const seeds = await listSeeds(this.#seeds);
    using deadline = startDeadline(this.#clock, timeoutMs, signal);
    const warm: Warm = {
      image,
      probe: this.#probeOptions(deadline.signal),
      reached: new Map(),
      report: (progress) => onProgress?.(progress),
      trouble: undefined,
    };
    try {
      await this.#warmSeeds(warm, seeds);
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.passed) {
        throw error;
      }
      const progress = `${progressOf(warm).blobs} of ${image.blobs.length} blobs are warm`;
      const trouble = warm.trouble === undefined ? '' : `; last: ${warm.trouble}`;
      throw new ProviderError('TimedOut', `not warm within ${timeoutMs / 1000} s: ${progress}${trouble}`, {
        cause: error,
      });
    }
  }

  async verify(image: WarmImage, { signal }: { signal: AbortSignal }): Promise<BlobState[]> {
    return await verifyImage(image, await listSeeds(this.#seeds), this.#memory, this.#probeOptions(signal));
  }

  /** At least one of the seeds answers, and does so as a Dragonfly proxy. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    const seeds = await listSeeds(this.#seeds);
    const faults = await Promise.all(seeds.map((seed) => faultOf(seed, this.#probeOptions(signal))));
    if (faults.every((fault) => fault !== undefined)) {
      throw new ProviderError('Unreachable', `no seed peer can be used: ${faults.join('; ')}`);
    }
  }

  #probeOptions(signal: AbortSignal): ProbeOptions {
    return { dispatcher: this.#dispatcher, clock: this.#clock, signal };
  }

  async #warmSeeds(warm: Warm, seeds: readonly Seed[]): Promise<void> {
    const failures: unknown[] = [];
    const rest = [...seeds];
    for (let seed = rest.shift(); seed !== undefined; seed = rest.shift()) {
      try {
        await this.#warmSeed(warm, seed);
        break;
      } catch (error) {
        // What one seed cannot reach another may; what the origin refuses to one it refuses to all.
        if (!(error instanceof ProviderError) || error.kind === 'Rejected') {
          throw error;
        }
        failures.push(error);
      }
    }
    const results = await Promise.allSettled(rest.map((seed) => this.#warmSeed(warm, seed)));
    failures.push(...results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : [])));
    if (failures.length > 0) {
      throw failures[0];
    }
  }

  async #warmSeed(warm: Warm, seed: Seed): Promise<void> {
    const limit = pLimit(BLOBS_AT_ONCE);
    try {
      await Promise.all(
        warm.image.blobs.map((blob) =>
          limit(async () => {
            await warmBlob(warm, seed, blob);
            this.#memory.remember(seed, blob);
          }),
        ),
      );
    } finally {
      limit.clearQueue();
    }
  }
}

/**
 * Starts the prefetch of the whole blob, then reads a byte of each piece back, in order, behind the prefetch. A piece that
 * the prefetch does not bring is got by that: dfdaemon never starts a prefetch again that failed half way.
 */
async function warmBlob(warm: Warm, seed: Seed, blob: Blob): Promise<void> {
  const offsets = sampleOffsets(blob.size);
  for (const [index, offset] of offsets.entries()) {
    await readPiece(warm, seed, blob, offset, offset === 0 ? 'prefetch' : 'fetch');
    reach(warm, blob, offsets[index + 1] ?? blob.size);
  }
}

/** Notes that one seed has a blob up to an offset. */
function reach(warm: Warm, { digest }: Blob, offset: number): void {
  if (offset > (warm.reached.get(digest) ?? -1)) {
    warm.reached.set(digest, offset);
    warm.report(progressOf(warm));
  }
}

function progressOf({ image, reached }: Warm): WarmProgress {
  return {
    blobs: image.blobs.filter(({ digest, size }) => (reached.get(digest) ?? 0) >= size).length,
    bytes: [...reached.values()].reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** Reads a byte of a piece, and asks again while the seed or the origin is busy, until the signal aborts. */
async function readPiece(warm: Warm, seed: Seed, blob: Blob, offset: number, mode: ProbeMode): Promise<void> {
  const { authorization } = warm.image;
  for (let pause = PAUSE_MS.first; ; pause = Math.min(2 * pause, PAUSE_MS.longest)) {
    const result = await probe({ seed, blob, offset, mode, authorization }, warm.probe);
    switch (result.outcome) {
      case 'served':
        if (result.taskID !== taskIDOf(blob)) {
          const found = `seed peer ${seed.name} files ${blob.digest} under task ${result.taskID}`;
          throw new ProviderError('Failed', `${found}, where nobody who pulls finds it: ${TASK_ID_REMEDY}`);
        }
        return;
      case 'originRejected':
        throw new ProviderError('Rejected', `seed peer ${seed.name} cannot get ${blob.url}: ${result.message}`);
      case 'unreachable':
        throw new ProviderError('Unreachable', `seed peer ${seed.name} at ${seed.url}: ${result.message}`);
      case 'refused':
      case 'missing':
        throw new ProviderError(
          'Failed',
          `seed peer ${seed.name} at ${seed.url} ${result.outcome === 'refused' ? result.message : 'serves only what it has'}`,
        );
      case 'busy':
      case 'silent': {
        const wait = result.outcome === 'busy' ? result.retryAfter : undefined;
        warm.trouble = `seed peer ${seed.name}, ${blob.digest}: ${result.message}`;
        await warm.probe.clock.sleep(wait ?? pause, warm.probe.signal);
      }
    }
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

/**
 * The seeds of now.
 * @throws ProviderError `Unreachable` when there are none
 */
export async function listSeeds(seeds: SeedPeersOptions['seeds']): Promise<readonly Seed[]> {
  const found = await seeds();
  if (found.length === 0) {
    throw new ProviderError('Unreachable', 'no seed peer is known: see endpoints and service of the provider');
  }
  return found;
}
