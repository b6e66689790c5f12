import type { Clock } from './clock.ts';
import { JobNotFoundError, RateLimitedError } from './openapi.ts';
import type { OpenApi } from './openapi.ts';
import { ProviderError } from './provider.ts';
import type { WarmImage } from './provider.ts';
import type { Job } from './schema.ts';

const NANOSECONDS_PER_MS = 1_000_000;
/** Pause before a manager that limits its requests is asked again: doubling from the first to the longest. */
const PAUSE_MS = { first: 2000, longest: 15_000 };
/** A replica of the manager may not know a job yet that another has just made. */
const LOST_AFTER_LOOKS = 3;
/** Blobs that one job brings at once. */
export const BLOBS_PER_JOB = 4;

/** Which seeds a job warms: one of them, the one on which the cluster's hash ring puts the blob, or every one. */
export type PreheatScope = 'single_seed_peer' | 'all_seed_peers';

/** What is known of a job: its last state, or that the manager has lost it. */
export type JobView = Job | 'lost' | undefined;

export interface PreheatOptions {
  /** Scheduler clusters to warm; none means all. */
  readonly clusterIDs: readonly number[];
  readonly scope: PreheatScope;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Makes the job, and waits as long as the manager asks it to, unless that is longer than there is time.
 * @throws ProviderError, or the signal's reason
 */
export async function createJob(api: OpenApi, image: WarmImage, options: PreheatOptions): Promise<Job> {
  const { clusterIDs, scope, clock, timeoutMs, signal } = options;
  const { authorization, seedReplicas } = image;
  const endsAt = clock.monotonic() + timeoutMs;
  for (let pause = PAUSE_MS.first; ; pause = Math.min(2 * pause, PAUSE_MS.longest)) {
    try {
      return await api.createPreheat(
        {
          type: 'preheat',
          ...(clusterIDs.length === 0 ? {} : { scheduler_cluster_ids: clusterIDs }),
          args: {
            type: 'image',
            url: image.manifestUrl,
            platform: image.platform,
            scope,
            ...(seedReplicas === undefined || scope === 'single_seed_peer' ? {} : { count: seedReplicas }),
            concurrent_task_count: BLOBS_PER_JOB,
            timeout: Math.round(timeoutMs * NANOSECONDS_PER_MS),
            // Managers store and echo this: a token that soon expires, never a user name and password.
            ...(authorization === undefined ? {} : { headers: { Authorization: authorization } }),
            // Managers up to v2.5.1 ignore it, and warm tasks that no puller finds; verification tells.
            enable_task_id_based_blob_digest: true,
          },
        },
        signal,
      );
    } catch (error) {
      const wait = error instanceof RateLimitedError ? (error.retryAfter ?? pause) : Infinity;
      if (clock.monotonic() + wait >= endsAt) {
        throw error;
      }
      await clock.sleep(wait, signal);
    }
  }
}

/** The job as the manager has it; undefined where it cannot say now. `looks` counts from 1. */
export async function lookAtJob(api: OpenApi, id: number, looks: number, signal: AbortSignal): Promise<JobView> {
  try {
    return await api.job(id, signal);
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
