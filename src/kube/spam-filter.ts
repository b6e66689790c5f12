import type { Clock } from '../runtime/clock.ts';
import { LruMap } from './lru-map.ts';

/** Events that one object may have at once, and how often one more is allowed (client-go EventSourceObjectSpamFilter). */
const BURST = 25;
const REFILL_MS = 5 * 60_000;

/** Objects whose budget is remembered. */
const MAX_OBJECTS = 4096;

/** Makes a function that says whether an object has budget for one more event, and takes it. */
export function createSpamFilter(clock: Clock): (object: string) => boolean {
  const buckets = new LruMap<string, { tokens: number; at: number }>(MAX_OBJECTS);
  return (object) => {
    const now = clock.monotonic();
    const { tokens, at } = buckets.get(object) ?? { tokens: BURST, at: now };
    const refilled = Math.min(BURST, tokens + (now - at) / REFILL_MS);
    const allowed = refilled >= 1;
    buckets.set(object, { tokens: allowed ? refilled - 1 : refilled, at: now });
    return allowed;
  };
}
