import type { Clock, Timer } from './clock.ts';
import type { Key } from './object.ts';
import { controllerRateLimiter, type RateLimiter } from './rate-limiter.ts';

/**
 * A rate-limited, delaying work queue with the semantics of client-go's workqueue: a key that is added many times is
 * handed out once, never to two workers at a time, and again if it was added while a worker had it.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #rateLimiter: RateLimiter;
  /** In order of arrival. Every key in it is dirty and not being processed. */
  readonly #queue: Key[] = [];
  /** Keys that need processing. */
  readonly #dirty = new Set<Key>();
  /** Keys that a worker has. One that is dirty too goes back to the queue when the worker is done. */
  readonly #processing = new Set<Key>();
  readonly #delayed = new Map<Key, { readyAt: number; timer: Timer }>();
  readonly #getters = new Set<(key: Key | undefined) => void>();
  #shuttingDown = false;

  constructor(o: { clock: Clock; rateLimiter?: RateLimiter }) {
    this.#clock = o.clock;
    this.#rateLimiter = o.rateLimiter ?? controllerRateLimiter(o.clock);
  }

  /** Keys that wait for a worker; those that are being processed or delayed do not count. */
  get length(): number {
    return this.#queue.length;
  }

  /** Marks `key` as needing processing. Does nothing after shutDown. */
  add(key: Key): void {
    if (this.#shuttingDown || this.#dirty.has(key)) {
      return;
    }
    this.#dirty.add(key);
    if (!this.#processing.has(key)) {
      this.#push(key);
    }
  }

  /** Adds `key` in `ms` milliseconds. Of several times asked for, the earliest holds. */
  addAfter(key: Key, ms: number): void {
    if (this.#shuttingDown) {
      return;
    }
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const readyAt = this.#clock.monotonic() + ms;
    const delayed = this.#delayed.get(key);
    if (delayed && delayed.readyAt <= readyAt) {
      return;
    }
    delayed?.timer.cancel();
    const timer = this.#clock.after(ms, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { readyAt, timer });
  }

  /** Adds `key` when the rate limiter allows it, counting one more failure. */
  addRateLimited(key: Key): void {
    this.addAfter(key, this.#rateLimiter.when(key));
  }

  /** Ends the failure history of `key`; it stays in the queue. */
  forget(key: Key): void {
    this.#rateLimiter.forget(key);
  }

  /** Failures of `key` since it was last forgotten. */
  numRequeues(key: Key): number {
    return this.#rateLimiter.numRequeues(key);
  }

  /**
   * The next key, as soon as there is one; the worker calls `done` with it afterwards. Undefined when there will be no
   * more: `signal` aborted, or the queue was shut down and is empty.
   */
  async get(signal: AbortSignal): Promise<Key | undefined> {
    if (signal.aborted) {
      return undefined;
    }
    if (this.#queue.length > 0) {
      return this.#take();
    }
    if (this.#shuttingDown) {
      return undefined;
    }
    return new Promise((resolve) => {
      const getter = (key: Key | undefined): void => {
        this.#getters.delete(getter);
        signal.removeEventListener('abort', onAbort);
        resolve(key);
      };
      const onAbort = (): void => getter(undefined);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#getters.add(getter);
    });
  }

  /** Ends the processing of `key`. It goes back to the queue if it was added meanwhile. */
  done(key: Key): void {
    this.#processing.delete(key);
    if (this.#dirty.has(key)) {
      this.#push(key);
    }
  }

  /** Takes no more keys and drops the delayed ones; those in the queue are still handed out. */
  shutDown(): void {
    this.#shuttingDown = true;
    for (const { timer } of this.#delayed.values()) {
      timer.cancel();
    }
    this.#delayed.clear();
    for (const getter of this.#getters) {
      getter(undefined);
    }
  }

  #push(key: Key): void {
    this.#queue.push(key);
    const [getter] = this.#getters;
    getter?.(this.#take());
  }

  #take(): Key | undefined {
    const key = this.#queue.shift();
    if (key !== undefined) {
      this.#processing.add(key);
      this.#dirty.delete(key);
    }
    return key;
  }
}
