import { setTimeout as delay } from 'node:timers/promises';

/** What came of a load. */
export interface LoadResult {
  /** Milliseconds from the sending of a request to its answer. */
  latencies: number[];
  errors: number;
}

/**
 * Sends requests at a given rate, however long the answers take: no request waits for the answer to another, so that a stall
 * is not hidden (coordinated omission). Waiting for a connection counts. Intervals are exponential, as those of independent
 * callers, from a fixed seed. An aborted signal ends it early.
 */
export async function openLoop(
  perSecond: number,
  seconds: number,
  send: (i: number) => Promise<void>,
  signal: AbortSignal = new AbortController().signal,
): Promise<LoadResult> {
  const latencies: number[] = [];
  let errors = 0;
  const random = randomNumbers(perSecond);
  const started = performance.now();
  const idle = Promise.withResolvers<void>();
  // The loop itself counts as one, so that it is not idle before its end. A list of promises would be garbage to collect.
  let underWay = 1;
  const end = (): void => {
    underWay -= 1;
    if (underWay === 0) {
      idle.resolve();
    }
  };
  const measure = async (i: number): Promise<void> => {
    const sentAt = performance.now();
    try {
      await send(i);
      latencies.push(performance.now() - sentAt);
    } catch {
      errors += 1;
    }
    end();
  };
  for (let i = 0, due = 0; due < seconds * 1000 && !signal.aborted; i += 1) {
    const wait = started + due - performance.now();
    if (wait > 0) {
      await delay(wait);
    }
    underWay += 1;
    void measure(i);
    due += (-Math.log(1 - random()) / perSecond) * 1000;
  }
  end();
  await idle.promise;
  return { latencies, errors };
}

/** A linear congruential generator (Numerical Recipes); statistics are not what is measured here. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}
