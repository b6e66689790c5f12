/** Time as this folder sees it; `Clock` of the runtime is one. */
export interface Clock {
  /** Wall-clock time. */
  now(): Date;
  /** Milliseconds since some fixed moment, for measuring. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with `signal.reason` when `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs `run` once after `ms` milliseconds, unless cancelled before. */
  after(ms: number, run: () => void): { cancel(): void };
}
