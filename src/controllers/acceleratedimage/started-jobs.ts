import type { Job } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import { keyOf, type Key } from '../../runtime/object.ts';
import type { ReadStore } from '../../runtime/store.ts';

/** After this a Job that the cache never saw was taken away before it could. */
const SEEN_WITHIN_MS = 30_000;

/**
 * Jobs that were made, or are being made, and that the cache has not seen yet (controller-runtime's expectations): many objects
 * are looked at at the same time, and each would give itself the same free place.
 */
export class StartedJobs {
  readonly #cache: Pick<ReadStore<Job>, 'get'>;
  readonly #clock: Clock;
  readonly #jobs = new Map<Key, { job: Job; since: number }>();

  constructor(cache: Pick<ReadStore<Job>, 'get'>, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** Counts a Job from now on. */
  add(job: Job): void {
    this.#jobs.set(keyOf(job), { job, since: this.#clock.monotonic() });
  }

  /** Counts it no more: it was not made. */
  remove(job: Job): void {
    this.#jobs.delete(keyOf(job));
  }

  /** Those that the cache lacks. */
  list(): Job[] {
    const now = this.#clock.monotonic();
    for (const [key, { since }] of this.#jobs) {
      if (this.#cache.get(key) !== undefined || now - since > SEEN_WITHIN_MS) {
        this.#jobs.delete(key);
      }
    }
    return [...this.#jobs.values()].map(({ job }) => job);
  }
}
