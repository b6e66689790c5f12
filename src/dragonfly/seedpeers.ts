import { Agent } from 'undici';
import { bringBlob } from './bring.ts';
import type { BlobProgress } from './bring.ts';
import { createSeedBudget } from './budget.ts';
import type { SeedBudget } from './budget.ts';
import type { Clock } from './clock.ts';
import { startDeadline } from './deadline.ts';
import { createFlights } from './flights.ts';
import { DEFAULT_LIMITS, createWarmSlots, poolsOf } from './limits.ts';
import type { WarmLimits } from './limits.ts';
import { wantedBytes, wantedKey } from './pieces.ts';
import type { ProbeOptions } from './probe.ts';
import { ProviderError } from './provider.ts';
import type { Blob, BlobState, Provider, Seed, WarmImage, WarmOptions, WarmProgress } from './provider.ts';
import { chooseSeeds, placementsOf } from './rendezvous.ts';
import { checkSeeds, createMismatchMemory, listSeeds } from './seeds.ts';
import type { Slots } from './slots.ts';
import { createWarmMemory, verifyImage } from './verify.ts';
import type { WarmMemory } from './verify.ts';

export interface SeedPeersOptions {
  /** The seeds of now; asked for at every call. */
  seeds: () => Promise<readonly Seed[]>;
  /** Default: {@link DEFAULT_LIMITS}. */
  limits?: WarmLimits;
  clock: Clock;
}

/** What one warm keeps in mind. */
interface Warm {
  readonly image: WarmImage;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly neededAt: number;
  /** How many wanted bytes of a blob one seed at least has; by digest. */
  readonly reached: Map<string, number>;
  readonly report: (progress: WarmProgress) => void;
  /** Seeds that did not answer, and with what: one refused connection speaks for all its blobs. */
  readonly down: Map<Seed, ProviderError>;
  /** What last kept it waiting, for the message of a timeout. */
  trouble: string | undefined;
}

/** Warms by asking each seed peer itself, through its HTTP proxy; needs neither a manager nor Redis. */
export class SeedPeersProvider implements Provider {
  readonly #seeds: SeedPeersOptions['seeds'];
  readonly #clock: Clock;
  readonly #dispatcher = new Agent({ connect: { timeout: 5000 } });
  readonly #budget: SeedBudget;
  readonly #memory: WarmMemory;
  readonly #mismatches = createMismatchMemory();
  readonly #slots: Slots;
  /** Blobs on their way to a seed. */
  readonly #flights = createFlights<BlobProgress>();

  constructor({ seeds, limits = DEFAULT_LIMITS, clock }: SeedPeersOptions) {
    this.#seeds = seeds;
    this.#clock = clock;
    this.#budget = createSeedBudget(limits.maxSeedBytes, clock);
    this.#memory = createWarmMemory((placement) => this.#budget.use(placement));
    this.#slots = createWarmSlots(limits, clock);
  }

  /**
   * Each blob comes from the origin to the first of its seeds, which are not the same for all blobs; then its other seeds get
   * it, all at once, and find its pieces at the first through the scheduler. A seed that fails does not keep the others from
   * being warmed.
   */
  async warm(image: WarmImage, { timeoutMs, signal, neededAt, onProgress }: WarmOptions): Promise<void> {
    const seeds = await listSeeds(this.#seeds);
    using _ = this.#budget.reserve(placementsOf(image.blobs, seeds, image.seedReplicas));
    using deadline = startDeadline(this.#clock, timeoutMs, signal);
    const stop = new AbortController();
    const warm: Warm = {
      image,
      signal: AbortSignal.any([deadline.signal, stop.signal]),
      neededAt: (neededAt ?? this.#clock.now()).getTime(),
      reached: new Map(),
      report: (progress) => onProgress?.(progress),
      down: new Map(),
      trouble: undefined,
    };
    const results = await Promise.allSettled(
      image.blobs.map(async (blob) => {
        try {
          await this.#warmBlob(warm, blob, chooseSeeds(seeds, blob.digest, image.seedReplicas));
        } catch (error) {
          if (isFinal(error)) {
            stop.abort(error);
          }
          throw error;
        }
      }),
    );
    signal.throwIfAborted();
    const failure = results.find((result) => result.status === 'rejected');
    if (failure === undefined) {
      return;
    }
    if (!deadline.passed) {
      throw stop.signal.aborted ? stop.signal.reason : failure.reason;
    }
    const progress = `${progressOf(warm).blobs} of ${image.blobs.length} blobs are warm`;
    const trouble = `; last: ${warm.trouble ?? 'other blobs are in the way, see maxConcurrentBlobs of the provider'}`;
    throw new ProviderError('TimedOut', `not warm within ${timeoutMs / 1000} s: ${progress}${trouble}`, {
      cause: failure.reason,
    });
  }

  async verify(image: WarmImage, { signal }: { signal: AbortSignal }): Promise<BlobState[]> {
    const placements = placementsOf(image.blobs, await listSeeds(this.#seeds), image.seedReplicas);
    const states = await verifyImage(image, placements, this.#memory, this.#probeOptions(signal));
    this.#mismatches.learn(image, states);
    return states;
  }

  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await checkSeeds(await listSeeds(this.#seeds), this.#mismatches, this.#probeOptions(signal));
  }

  #probeOptions(signal: AbortSignal): ProbeOptions {
    return { dispatcher: this.#dispatcher, clock: this.#clock, signal };
  }

  async #warmBlob(warm: Warm, blob: Blob, seeds: readonly Seed[]): Promise<void> {
    const failures: unknown[] = [];
    const rest = [...seeds];
    for (let seed = rest.shift(); seed !== undefined; seed = rest.shift()) {
      try {
        await this.#bring(warm, blob, seed, 0);
        break;
      } catch (error) {
        // What one seed cannot reach another may; what the origin refuses to one it refuses to all.
        if (!(error instanceof ProviderError) || isFinal(error)) {
          throw error;
        }
        failures.push(error);
      }
    }
    const results = await Promise.allSettled(rest.map((seed) => this.#bring(warm, blob, seed, 1)));
    failures.push(...results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : [])));
    if (failures.length > 0) {
      throw failures[0];
    }
  }

  /** Brings a blob to a seed, unless that is going on already: then it waits for it. */
  async #bring(warm: Warm, blob: Blob, seed: Seed, turn: number): Promise<void> {
    const { authorization } = warm.image;
    const passenger = {
      signal: warm.signal,
      neededAt: warm.neededAt,
      means: `${blob.url} ${authorization}`,
      onProgress: (progress: BlobProgress) => note(warm, blob, progress),
    };
    const down = warm.down.get(seed);
    if (down !== undefined) {
      throw down;
    }
    try {
      await this.#flights.join(`${seed.name} ${wantedKey(blob)}`, passenger, async ({ signal, neededAt, report }) => {
        const pools = poolsOf(blob.registry, seed.name);
        using _ = await this.#slots.acquire({ pools, neededAt, turn }, signal);
        await bringBlob({ seed, blob, authorization }, this.#probeOptions(signal), report);
        this.#memory.remember(seed, blob);
      });
    } catch (error) {
      if (error instanceof ProviderError) {
        this.#learn(warm, blob, seed, error);
      }
      throw error;
    }
  }

  #learn({ image, down }: Warm, { digest }: Blob, seed: Seed, error: ProviderError): void {
    if (error.kind === 'Unreachable') {
      down.set(seed, error);
    }
    if (error.reason === 'TaskIDMismatch') {
      this.#mismatches.learn(image, [{ digest, seed: seed.name, warm: false, reason: error.reason }]);
    }
  }
}

/** Whether an error will be the same for every blob and every seed. */
function isFinal(error: unknown): boolean {
  return error instanceof ProviderError && (error.kind === 'Rejected' || error.reason === 'TaskIDMismatch');
}

/** Notes how far a blob is on one seed. */
function note(warm: Warm, { digest }: Blob, { bytes, trouble }: BlobProgress): void {
  warm.trouble = trouble ?? warm.trouble;
  if (bytes > (warm.reached.get(digest) ?? 0)) {
    warm.reached.set(digest, bytes);
    warm.report(progressOf(warm));
  }
}

function progressOf({ image, reached }: Warm): WarmProgress {
  return {
    blobs: image.blobs.filter((blob) => (reached.get(blob.digest) ?? 0) >= wantedBytes(blob)).length,
    bytes: [...reached.values()].reduce((sum, bytes) => sum + bytes, 0),
  };
}
