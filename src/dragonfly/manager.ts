import { Agent } from 'undici';
import type { Clock } from './clock.ts';
import { startDeadline } from './deadline.ts';
import type { Deadline } from './deadline.ts';
import { JobNotFoundError, RateLimitedError, createOpenApi } from './openapi.ts';
import type { OpenApi } from './openapi.ts';
import type { ProbeOptions } from './probe.ts';
import { ProviderError } from './provider.ts';
import type { BlobState, Provider, Seed, WarmImage, WarmOptions, WarmProgress } from './provider.ts';
import type { Job } from './schema.ts';
import { listSeeds } from './seedpeers.ts';
import { createWarmMemory, verifyImage } from './verify.ts';

const NANOSECONDS_PER_MS = 1_000_000;
/** Pause between two looks: growing from the first to the longest. */
const PAUSE_MS = { first: 2000, longest: 15_000 };
/** A replica of the manager may not know a job yet that another has just made. */
const LOST_AFTER_LOOKS = 3;
/** Failed tasks that are named in a message. */
const NAMED_FAILURES = 3;

/** Which seeds a job warms: one of them, the one on which the cluster's hash ring puts the blob, or every one. */
export type PreheatScope = 'single_seed_peer' | 'all_seed_peers';

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
  clock: Clock;
}

/** What is known of a job: its last state, or that the manager has lost it. */
type JobView = Job | 'lost' | undefined;

/**
 * Warms through the manager's Open API. What a job says about itself decides nothing: `SUCCESS` means that it was tried, and
 * the state comes 30 s and more late; blobs are warm when they have been read back from the seeds.
 */
export class ManagerProvider implements Provider {
  readonly #options: ManagerOptions;
  readonly #api: OpenApi;
  readonly #dispatcher = new Agent({ connect: { timeout: 5000 } });
  readonly #memory = createWarmMemory();

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#api = createOpenApi(options);
  }

  async warm(image: WarmImage, { timeoutMs, signal, onProgress }: WarmOptions): Promise<void> {
    const { clock, seeds, scope } = this.#options;
    const found = await listSeeds(seeds);
    using deadline = startDeadline(clock, timeoutMs, signal);
    let cold: BlobState[] = [];
    let view: JobView;
    try {
      const { id } = await this.#create(image, timeoutMs, deadline);
      for (let pause = PAUSE_MS.first, looks = 1; ; pause = Math.min(1.5 * pause, PAUSE_MS.longest), looks++) {
        await clock.sleep(pause, deadline.signal);
        view = await this.#look(id, looks, deadline.signal);
        // Read after the job, so that what a finished job brought is seen.
        const states = await verifyImage(image, found, this.#memory, this.#probeOptions(deadline.signal));
        cold = coldBlobs(states, scope);
        onProgress?.(progressOf(image, states));
        if (cold.length === 0) {
          return;
        }
        if (view === 'lost' || view?.state === 'SUCCESS' || view?.state === 'FAILURE') {
          throw new ProviderError('Failed', explain(id, view, cold));
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.passed) {
        throw error;
      }
      const state = view === undefined || view === 'lost' ? '' : `; the job is ${view.state}`;
      const trouble = cold[0]?.message === undefined ? '' : `; ${cold[0].message}`;
      const retryAfter = error instanceof RateLimitedError ? error.retryAfter : undefined;
      throw new ProviderError('TimedOut', `not warm within ${timeoutMs / 1000} s${state}${trouble}`, {
        retryAfter,
        cause: error,
      });
    }
  }

  async verify(image: WarmImage, { signal }: { signal: AbortSignal }): Promise<BlobState[]> {
    return await verifyImage(image, await listSeeds(this.#options.seeds), this.#memory, this.#probeOptions(signal));
  }

  /** The manager answers and takes the token. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await this.#api.checkAccess(signal);
  }

  #probeOptions(signal: AbortSignal): ProbeOptions {
    return { dispatcher: this.#dispatcher, clock: this.#options.clock, signal };
  }

  /** Makes the job, and waits as long as the manager asks it to, unless that is longer than there is time. */
  async #create(image: WarmImage, timeoutMs: number, deadline: Deadline): Promise<Job> {
    const { clusterIDs, scope, clock } = this.#options;
    const { authorization } = image;
    const endsAt = clock.monotonic() + timeoutMs;
    for (let pause = PAUSE_MS.first; ; pause = Math.min(2 * pause, PAUSE_MS.longest)) {
      try {
        return await this.#api.createPreheat(
          {
            type: 'preheat',
            ...(clusterIDs.length === 0 ? {} : { scheduler_cluster_ids: clusterIDs }),
            args: {
              type: 'image',
              url: image.manifestUrl,
              platform: image.platform,
              scope,
              timeout: Math.round(timeoutMs * NANOSECONDS_PER_MS),
              // Managers store and echo this: a token that soon expires, never a user name and password.
              ...(authorization === undefined ? {} : { headers: { Authorization: authorization } }),
              // Managers up to v2.5.1 ignore it, and warm tasks that no puller finds; verification tells.
              enable_task_id_based_blob_digest: true,
            },
          },
          deadline.signal,
        );
      } catch (error) {
        const wait = error instanceof RateLimitedError ? (error.retryAfter ?? pause) : Infinity;
        if (clock.monotonic() + wait >= endsAt) {
          throw error;
        }
        await clock.sleep(wait, deadline.signal);
      }
    }
  }

  /** The job as the manager has it; undefined where it cannot say now. */
  async #look(id: number, looks: number, signal: AbortSignal): Promise<JobView> {
    try {
      return await this.#api.job(id, signal);
    } catch (error) {
      if (error instanceof JobNotFoundError) {
        return looks >= LOST_AFTER_LOOKS ? 'lost' : undefined;
      }
      if (error instanceof ProviderError && error.kind !== 'Rejected') {
        return undefined;
      }
      throw error;
    }
  }
}

/** What is warm on one seed at least. */
function progressOf({ blobs }: WarmImage, states: readonly BlobState[]): WarmProgress {
  const digests = new Set(states.filter(({ warm }) => warm).map(({ digest }) => digest));
  const warm = blobs.filter(({ digest }) => digests.has(digest));
  return { blobs: warm.length, bytes: warm.reduce((sum, { size }) => sum + size, 0) };
}

/** States of what is still missing: with one seed for each blob, a blob is warm wherever it is. */
function coldBlobs(states: readonly BlobState[], scope: PreheatScope): BlobState[] {
  const cold = states.filter(({ warm }) => !warm);
  if (scope === 'all_seed_peers') {
    return cold;
  }
  const warm = new Set(states.filter((state) => state.warm).map(({ digest }) => digest));
  return cold.filter(({ digest }) => !warm.has(digest));
}

function explain(id: number, view: Job | 'lost', cold: readonly BlobState[]): string {
  const [first] = cold;
  const count = new Set(cold.map(({ digest }) => digest)).size;
  const missing = `${count} ${count === 1 ? 'blob is' : 'blobs are'} not warm, such as: ${first?.message ?? first?.digest}`;
  if (view === 'lost') {
    return `the Dragonfly manager has lost job ${id}, and ${missing}`;
  }
  const failures = failuresOf(view);
  if (failures !== '') {
    return `job ${id} ended with ${view.state}, and ${missing}; it says: ${failures}`;
  }
  const hint =
    view.state === 'SUCCESS'
      ? '; Dragonfly up to v2.5.1 warms under task ids that no puller uses: upgrade it, or use the provider type seedPeers'
      : '';
  return `job ${id} ended with ${view.state}, and ${missing}${hint}`;
}

function failuresOf(job: Job): string {
  const states = job.result?.job_states ?? [];
  const messages = states.flatMap((state) => [
    ...(state.error === undefined || state.error === null || state.error === '' ? [] : [state.error]),
    ...(state.results ?? []).flatMap((result) =>
      (result?.failure_tasks ?? []).map((task) => `${task.hostname ?? 'a seed'}: ${task.description ?? task.url}`),
    ),
  ]);
  const named = messages.slice(0, NAMED_FAILURES).map((message) => message.replace(/\s+/g, ' ').slice(0, 200));
  const more = messages.length - named.length;
  return named.join('; ') + (more > 0 ? `; and ${more} more` : '');
}
