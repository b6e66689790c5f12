import type { Clock } from './clock.ts';
import type { Key } from './object.ts';

/** Decides how long a key waits before it is tried again (client-go workqueue.RateLimiter). */
export interface RateLimiter {
  /** Counts one more failure of `key`; milliseconds until it may be tried again. */
  when(key: Key): number;
  /** Ends the history of `key`, after a success or when it is given up. */
  forget(key: Key): void;
  /** Failures of `key` since it was last forgotten. */
  numRequeues(key: Key): number;
}

/** Rates of a controller. Whoever changes them says why. */
export interface RateLimits {
  /** Delay after the first failure of a key, in milliseconds. */
  baseDelay: number;
  /** The longest delay of a key, in milliseconds. */
  maxDelay: number;
  /** Retries a second over all keys. */
  qps: number;
  /** Retries that may go at once before `qps` holds. */
  burst: number;
}

/** client-go's DefaultTypedControllerRateLimiter. */
export const DEFAULT_RATE_LIMITS: Readonly<RateLimits> = { baseDelay: 5, maxDelay: 1_000_000, qps: 10, burst: 100 };

/** A limiter that gives each key its own exponential delay and all of them together one token bucket; the longer delay holds. */
export function controllerRateLimiter(clock: Clock, limits: Partial<RateLimits> = {}): RateLimiter {
  const { baseDelay, maxDelay, qps, burst } = { ...DEFAULT_RATE_LIMITS, ...limits };
  const failures = new Map<Key, number>();
  const reserve = tokenBucket(clock, qps, burst);
  return {
    when(key) {
      const failed = failures.get(key) ?? 0;
      failures.set(key, failed + 1);
      return Math.max(Math.min(baseDelay * 2 ** failed, maxDelay), reserve());
    },
    forget: (key) => void failures.delete(key),
    numRequeues: (key) => failures.get(key) ?? 0,
  };
}

/** Takes one token each time, on credit if there is none left; milliseconds until it is covered (x/time/rate Reserve). */
function tokenBucket(clock: Clock, qps: number, burst: number): () => number {
  let tokens = burst;
  let last = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    tokens = Math.min(burst, tokens + ((now - last) / 1000) * qps) - 1;
    last = now;
    return tokens < 0 ? (-tokens / qps) * 1000 : 0;
  };
}
