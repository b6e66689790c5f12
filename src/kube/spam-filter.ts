import type { Clock } from '../runtime/clock.ts';
import { LruMap } from './lru-map.ts';

/** How many events are allowed. */
export interface Budget {
  /** At once. */
  readonly burst: number;
  /** Milliseconds after which one more is allowed. */
  readonly refillMs: number;
}

/** What one object may have (client-go EventSourceObjectSpamFilter). */
const PER_OBJECT: Budget = { burst: 25, refillMs: 5 * 60_000 };

/** Objects whose budget is remembered. */
const MAX_OBJECTS = 4096;

/** Makes a function that says whether an object has budget for one more event, and takes it. */
export function createSpamFilter(clock: Clock, { burst, refillMs }: Budget = PER_OBJECT): (object: string) => boolean {
  const buckets = new LruMap<string, { tokens: number; at: number }>(MAX_OBJECTS);
  return (object) => {
    const now = clock.monotonic();
    const { tokens, at } = buckets.get(object) ?? { tokens: burst, at: now };
    const refilled = Math.min(burst, tokens + (now - at) / refillMs);
    const allowed = refilled >= 1;
    buckets.set(object, { tokens: allowed ? refilled - 1 : refilled, at: now });
    return allowed;
  };
}
