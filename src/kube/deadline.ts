/** A limit on how long something may take; dispose of it when that has ended. */
export interface Deadline extends Disposable {
  /** Fires with the reason of the caller's signal, or when the time is up. */
  readonly signal: AbortSignal;
  /** Whether it was the time, and not the caller. */
  readonly expired: boolean;
}

/**
 * A deadline of `ms` milliseconds that the caller's signal cuts short. `AbortSignal.any` would do, but what it registers
 * on a signal that lives as long as the process is only freed by the garbage collector.
 */
export function deadline(ms: number, caller?: AbortSignal): Deadline {
  const controller = new AbortController();
  let expired = false;
  const timer = setTimeout(() => {
    expired = true;
    controller.abort();
  }, ms);
  const follow = (): void => controller.abort(caller?.reason);
  if (caller?.aborted === true) {
    follow();
  }
  caller?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    get expired() {
      return expired;
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      caller?.removeEventListener('abort', follow);
    },
  };
}
