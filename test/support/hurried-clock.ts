import type { Clock, Timer } from '../../src/runtime/clock.ts';
import { settle } from './fake-clock.ts';

/**
 * A clock for code that talks to real sockets: whoever sleeps is woken at once, and time has moved on by as much. Timers fire
 * as sleeping passes their time; nothing else moves it.
 */
export class HurriedClock implements Clock {
  readonly #start: number;
  #elapsed = 0;
  readonly #timers = new Map<object, { at: number; run: () => void }>();

  constructor(start: Date = new Date('2026-01-01T00:00:00Z')) {
    this.#start = start.getTime();
  }

  now(): Date {
    return new Date(this.#start + this.#elapsed);
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(ms: number, run: () => void): Timer {
    const timer = {};
    this.#timers.set(timer, { at: this.#elapsed + ms, run });
    return { cancel: () => void this.#timers.delete(timer) };
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#elapsed += ms;
    for (const [timer, { at, run }] of this.#timers) {
      if (at <= this.#elapsed) {
        this.#timers.delete(timer);
        run();
      }
    }
    await settle();
    signal?.throwIfAborted();
  }
}
