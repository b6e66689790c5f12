import type { Clock } from './clock.ts';

/** A call that did not end in the time it was given. */
export class DeadlineExceededError extends Error {
  constructor(what: string, ms: number) {
    super(`${what} took longer than ${ms / 1000} s`);
    this.name = 'DeadlineExceededError';
  }
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    } else {
      signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}

/**
 * Aborts `controller` as soon as `signal` aborts, for the same reason. Returns what ends that. `AbortSignal.any` would do,
 * but what it registers on a signal that lives as long as the process is only freed by the garbage collector.
 */
export function follow(controller: AbortController, signal: AbortSignal): () => void {
  const onAbort = (): void => controller.abort(signal.reason);
  if (signal.aborted) {
    onAbort();
  }
  signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}

/**
 * The end of `promise`, or a rejection with `signal.reason` as soon as `signal` aborts, whether or not whoever works on
 * `promise` listens to the signal. What becomes of `promise` afterwards is ignored.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const interrupted = Promise.withResolvers<never>();
  const onAbort = (): void => interrupted.reject(signal.reason);
  if (signal.aborted) {
    onAbort();
  } else {
    signal.addEventListener('abort', onAbort, { once: true });
  }
  try {
    return await Promise.race([interrupted.promise, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Runs `run` for at most `ms` milliseconds. Rejects with DeadlineExceededError when they are over, with `signal.reason`
 * when `signal` aborts, both at once. The signal handed to `run` aborts in every case when this returns, so nothing that
 * `run` started is left behind.
 */
export async function withDeadline<T>(
  o: { clock: Clock; ms: number; what: string; signal: AbortSignal },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const bounded = new AbortController();
  const unfollow = follow(bounded, o.signal);
  const timer = o.clock.after(o.ms, () => bounded.abort(new DeadlineExceededError(o.what, o.ms)));
  try {
    return await abortable(run(bounded.signal), bounded.signal);
  } finally {
    timer.cancel();
    unfollow();
    bounded.abort();
  }
}
