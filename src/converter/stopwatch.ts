/** Measures how long at least one of several things that run side by side was going on. */
export interface Stopwatch {
  /** Runs something and counts the time that it takes, once however many run at the same time. */
  during<T>(run: () => Promise<T>): Promise<T>;
  /** Milliseconds so far. */
  elapsed(): number;
}

/** @param now monotonic milliseconds. */
export function stopwatch(now: () => number): Stopwatch {
  let running = 0;
  let since = 0;
  let total = 0;
  return {
    async during(run) {
      if (running === 0) {
        since = now();
      }
      running += 1;
      try {
        return await run();
      } finally {
        running -= 1;
        if (running === 0) {
          total += now() - since;
        }
      }
    },
    elapsed: () => Math.round(total + (running > 0 ? now() - since : 0)),
  };
}
