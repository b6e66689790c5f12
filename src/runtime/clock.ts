/** A timer that has not fired yet. */
export interface Timer {
  /** Keeps the timer from firing; harmless once it has fired. */
  cancel(): void;
}

/** Time as the runtime sees it: injected, so that tests own it. */
export interface Clock {
  /** Wall-clock time, for what people and the API server read. It can jump. */
  now(): Date;
  /** Milliseconds since some fixed moment, for measuring. It never jumps. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with `signal.reason` when `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs `run` once after `ms` milliseconds, never before it returns. */
  after(ms: number, run: () => void): Timer;
}

/** The longest delay that setTimeout takes; anything above fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

function after(ms: number, run: () => void): Timer {
  let timeout: NodeJS.Timeout;
  const arm = (left: number): void => {
    timeout =
      left > LONGEST_TIMEOUT_MS
        ? setTimeout(() => arm(left - LONGEST_TIMEOUT_MS), LONGEST_TIMEOUT_MS)
        : setTimeout(run, left);
  };
  arm(ms);
  return { cancel: () => clearTimeout(timeout) };
}

/** `Clock.sleep` over any `after`. */
export function sleepWith(after: Clock['after'], ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => sleepWith(after, ms, signal),
  after,
};
