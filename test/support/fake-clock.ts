import { sleepWith } from '../../src/runtime/clock.ts';
import type { Clock, Timer } from '../../src/runtime/clock.ts';

interface PendingTimer {
  at: number;
  run: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #elapsed = 0;
  #wall: number;
  readonly #timers = new Set<PendingTimer>();

  constructor(start: Date = new Date('2026-01-01T00:00:00Z')) {
    this.#wall = start.getTime();
  }

  now(): Date {
    return new Date(this.#wall);
  }

  monotonic(): number {
    return this.#elapsed;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepWith((delay, run) => this.after(delay, run), ms, signal);
  }

  after(ms: number, run: () => void): Timer {
    const timer = { at: this.#elapsed + Math.max(0, ms), run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Timers that have neither fired nor been cancelled. */
  get timers(): number {
    return this.#timers.size;
  }

  /**
   * Moves time on by `ms` milliseconds. Timers on the way fire in order, each at its own time, and what waits for them gets
   * as far as it can before the next.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await settle();
    for (let timer = this.#nextUntil(end); timer; timer = this.#nextUntil(end)) {
      this.#moveTo(timer.at);
      this.#timers.delete(timer);
      timer.run();
      await settle();
    }
    this.#moveTo(end);
  }

  /** Sets the wall clock forward or, below zero, back, as an administrator or NTP would. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  #moveTo(elapsed: number): void {
    this.#wall += elapsed - this.#elapsed;
    this.#elapsed = elapsed;
  }

  #nextUntil(end: number): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.at <= end && (!next || timer.at < next.at)) {
        next = timer;
      }
    }
    return next;
  }
}

/** Lets everything run that waits for nothing but other promises. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
