import { Agent } from 'undici';
import { createSeedBudget } from './budget.ts';
import type { SeedBudget } from './budget.ts';
import type { Clock } from './clock.ts';
import { startDeadline } from './deadline.ts';
import { createFlights } from './flights.ts';
import type { Flight } from './flights.ts';
import { DEFAULT_LIMITS, createWarmSlots, poolsOf } from './limits.ts';
import type { WarmLimits } from './limits.ts';
import { createOpenApi } from './openapi.ts';
import type { OpenApi } from './openapi.ts';
import { OLD_MANAGER_REMEDY, failureOf } from './outcome.ts';
import { BLOBS_PER_JOB, createJob, lookAtJob } from './preheat.ts';
import type { JobView, PreheatScope } from './preheat.ts';
import { wantedBytes, wantedKey } from './pieces.ts';
import type { ProbeOptions } from './probe.ts';
import { ProviderError } from './provider.ts';
import type { BlobState, Provider, Seed, WarmImage, WarmOptions, WarmProgress } from './provider.ts';
import { placementsOf } from './rendezvous.ts';
import { listSeeds } from './seeds.ts';
import type { Slots } from './slots.ts';
import { createWarmMemory, verifyImage } from './verify.ts';
import type { WarmMemory } from './verify.ts';

/** Pause between two looks: growing from the first to the longest. */
const PAUSE_MS = { first: 2000, longest: 15_000 };
/** How long a manager that warmed where nobody looks is believed to do so again: the next job after that tells. */
const MISMATCH_MS = 3_600_000;

export interface ManagerOptions {
  /** Base URL of the manager. */
  url: string;
  /** A personal access token with the scope `job`. */
  token: () => Promise<string>;
  /** Scheduler clusters to warm; none means all. */
  clusterIDs: readonly number[];
  scope: PreheatScope;
  /** The seeds of now, from which is read back what the job is said to have brought. */
  seeds: () => Promise<readonly Seed[]>;
  /** Default: {@link DEFAULT_LIMITS}. */
  limits?: WarmLimits;
  clock: Clock;
}

/** How far a job is. */
interface JobProgress {
  readonly progress: WarmProgress;
  /** State and trouble, for the message of a timeout. */
  readonly state: string;
}

/**
 * Warms through the manager's Open API. What a job says about itself decides nothing: `SUCCESS` means that it was tried, and
 * the state comes 30 s and more late; blobs are warm when they have been read back from the seeds.
 */
export class ManagerProvider implements Provider {
  readonly #options: ManagerOptions;
  readonly #api: OpenApi;
  readonly #dispatcher = new Agent({ connect: { timeout: 5000 } });
  readonly #budget: SeedBudget;
  readonly #memory: WarmMemory;
  readonly #slots: Slots;
  /** Jobs under way. */
  readonly #flights = createFlights<JobProgress>();
  /** Until when the manager is known to warm under ids that nobody asks for, by the monotonic clock. */
  #mismatchUntil = -Infinity;

  constructor(options: ManagerOptions) {
    const { limits = DEFAULT_LIMITS, clock } = options;
    this.#options = options;
    this.#api = createOpenApi(options);
    this.#budget = createSeedBudget(limits.maxSeedBytes, clock);
    this.#memory = createWarmMemory((placement) => this.#budget.use(placement));
    this.#slots = createWarmSlots(limits, clock, BLOBS_PER_JOB);
  }

  async warm(image: WarmImage, { timeoutMs, signal, neededAt, onProgress }: WarmOptions): Promise<void> {
    this.#assertNoMismatch();
    const { clock, seeds } = this.#options;
    const found = await listSeeds(seeds);
    // Which seeds a job picks, where it is not for all, nobody knows: each must have room.
    using _ = this.#budget.reserve(placementsOf(image.blobs, found));
    using deadline = startDeadline(clock, timeoutMs, signal);
    let state = '; the job waits for others to end, see maxConcurrentBlobs of the provider';
    const passenger = {
      signal: deadline.signal,
      neededAt: (neededAt ?? clock.now()).getTime(),
      means: String(image.authorization),
      onProgress(now: JobProgress) {
        state = now.state;
        onProgress?.(now.progress);
      },
    };
    try {
      const parts = image.blobs.filter(({ ranges }) => ranges !== undefined).map(wantedKey);
      const key = [image.manifestUrl, image.platform, image.seedReplicas, ...parts].join(' ');
      await this.#flights.join(key, passenger, (flight) => this.#warm(image, found, timeoutMs, flight));
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.passed) {
        throw error;
      }
      throw new ProviderError('TimedOut', `not warm within ${timeoutMs / 1000} s${state}`, { cause: error });
    }
  }

  /** Of a blob that is on as many seeds as it is to be, only those seeds: it need not be on the others. */
  async verify(image: WarmImage, { signal }: { signal: AbortSignal }): Promise<BlobState[]> {
    const found = await listSeeds(this.#options.seeds);
    const states = await this.#verify(image, found, signal);
    const enough = warmEnough(states, this.#copies(image, found));
    return states.filter(({ digest, warm }) => warm || !enough.has(digest));
  }

  /** The manager answers and takes the token, and is not known to warm where nobody looks. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    this.#assertNoMismatch();
    await this.#api.checkAccess(signal);
  }

  /** The manager's API does not tell its version; what it did with the last job does. */
  #assertNoMismatch(): void {
    if (this.#options.clock.monotonic() < this.#mismatchUntil) {
      throw new ProviderError('Failed', `the last job warmed blobs where no puller finds them; ${OLD_MANAGER_REMEDY}`, {
        reason: 'TaskIDMismatch',
      });
    }
  }

  /** One job from its making until its blobs can be read back. */
  async #warm(image: WarmImage, found: readonly Seed[], timeoutMs: number, flight: Flight<JobProgress>): Promise<void> {
    const { clock } = this.#options;
    const { signal, neededAt, report } = flight;
    const pools = poolsOf(new URL(image.manifestUrl).host);
    using _ = await this.#slots.acquire({ pools, neededAt, turn: 0 }, signal);
    report({ progress: { blobs: 0, bytes: 0 }, state: '; the manager has not taken the job' });
    const { id } = await createJob(this.#api, image, { ...this.#options, timeoutMs, signal });
    let view: JobView;
    for (let pause = PAUSE_MS.first, looks = 1; ; pause = Math.min(1.5 * pause, PAUSE_MS.longest), looks++) {
      await clock.sleep(pause, signal);
      view = (await lookAtJob(this.#api, id, looks, signal)) ?? view;
      // Read after the job, so that what a finished job brought is seen.
      const states = await this.#verify(image, found, signal);
      const enough = warmEnough(states, this.#copies(image, found));
      const cold = states.filter(({ digest, warm }) => !warm && !enough.has(digest));
      report({ progress: progressOf(image, states), state: describe(view, cold) });
      if (cold.length === 0) {
        this.#mismatchUntil = -Infinity;
        return;
      }
      if (view === 'lost' || view?.state === 'SUCCESS' || view?.state === 'FAILURE') {
        const failure = failureOf({ id, view }, image, cold);
        this.#mismatchUntil = failure.reason === 'TaskIDMismatch' ? clock.monotonic() + MISMATCH_MS : -Infinity;
        throw failure;
      }
    }
  }

  /** Every blob on every seed. */
  async #verify(
    { blobs, authorization }: WarmImage,
    found: readonly Seed[],
    signal: AbortSignal,
  ): Promise<BlobState[]> {
    const options: ProbeOptions = { dispatcher: this.#dispatcher, clock: this.#options.clock, signal };
    return await verifyImage(
      { ...(authorization && { authorization }) },
      placementsOf(blobs, found),
      this.#memory,
      options,
    );
  }

  /** On how many seeds each blob is to be. */
  #copies({ seedReplicas = Infinity }: WarmImage, found: readonly Seed[]): number {
    return this.#options.scope === 'single_seed_peer' ? 1 : Math.min(seedReplicas, found.length);
  }
}

/** What is warm on one seed at least. */
function progressOf({ blobs }: WarmImage, states: readonly BlobState[]): WarmProgress {
  const digests = warmEnough(states, 1);
  const warm = blobs.filter(({ digest }) => digests.has(digest));
  return { blobs: warm.length, bytes: warm.reduce((sum, blob) => sum + wantedBytes(blob), 0) };
}

/** Digests of the blobs that are on so many seeds. */
function warmEnough(states: readonly BlobState[], copies: number): Set<string> {
  const byDigest = Map.groupBy(
    states.filter(({ warm }) => warm),
    ({ digest }) => digest,
  );
  return new Set([...byDigest].flatMap(([digest, warm]) => (warm.length >= copies ? [digest] : [])));
}

function describe(view: JobView, [cold]: readonly BlobState[]): string {
  const state = view === undefined || view === 'lost' ? '' : `; the job is ${view.state}`;
  return cold?.message === undefined ? state : `${state}; ${cold.message}`;
}
