import type { Clock } from './clock.ts';

/** A signal that aborts with another one, when time is up, or when it is disposed of: nothing that was started outlives it. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
  /** Whether time is up. */
  readonly passed: boolean;
}

/** Starts a deadline of `ms` milliseconds. */
export function startDeadline(clock: Clock, ms: number, signal: AbortSignal): Deadline {
  const over = new AbortController();
  let passed = false;
  const timer = clock.after(ms, () => {
    passed = true;
    over.abort(new Error(`not done within ${ms / 1000} s`));
  });
  return {
    signal: AbortSignal.any([signal, over.signal]),
    get passed() {
      return passed;
    },
    [Symbol.dispose]() {
      timer.cancel();
      over.abort();
    },
  };
}
