import type { Clock } from './clock.ts';

/** Shape of a back-off, in milliseconds. */
export interface BackoffOptions {
  clock: Clock;
  initial: number;
  max: number;
  /** The delay starts over at `initial` when this long has passed since the last one was asked for. */
  reset: number;
}

/**
 * Delays that double from `initial` to `max`, each stretched by up to itself so that many clients do not come back
 * together (apimachinery wait.Backoff with factor 2 and jitter 1, reset as DelayWithReset does). Returns the next delay in
 * milliseconds.
 */
export function jitteredBackoff(o: BackoffOptions): () => number {
  let next = o.initial;
  let lastAsked = o.clock.monotonic();
  return () => {
    const now = o.clock.monotonic();
    if (now - lastAsked > o.reset) {
      next = o.initial;
    }
    lastAsked = now;
    const delay = next;
    next = Math.min(next * 2, o.max);
    return delay * (1 + Math.random());
  };
}
