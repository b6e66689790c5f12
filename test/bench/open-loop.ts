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
 * callers, from a fixed seed.
 */
export async function openLoop(
  perSecond: number,
  seconds: number,
  send: (i: number) => Promise<void>,
): Promise<LoadResult> {
  const latencies: number[] = [];
  let errors = 0;
  const random = randomNumbers(perSecond);
  const underWay: Promise<void>[] = [];
  const started = performance.now();
  let due = 0;
  for (let i = 0; due < seconds * 1000; i += 1) {
    const wait = started + due - performance.now();
    if (wait > 0) {
      await delay(wait);
    }
    const sentAt = performance.now();
    underWay.push(
      send(i).then(
        () => void latencies.push(performance.now() - sentAt),
        () => {
          errors += 1;
        },
      ),
    );
    due += (-Math.log(1 - random()) / perSecond) * 1000;
  }
  await Promise.all(underWay);
  return { latencies, errors };
}

/** A linear congruential generator (Numerical Recipes); statistics are not what is measured here. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}
