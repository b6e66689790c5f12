import { SYNC_PERIOD_MS } from '../../../src/autoscaling/behavior.ts';
import type { Load } from '../../../src/backtest/load.ts';

const DAY_STEPS = 86_400_000 / SYNC_PERIOD_MS;
const DAYS = 6;

/** Loads with a shape that is known, each for six days in steps of 15 s; the same in every run. */
export function generatedLoads(): ReadonlyMap<string, Load> {
  return new Map([
    // From 10 to 200 in 20 minutes and back, at another time each day and several times a day.
    ['ramps', load((step, { at }) => 10 + 190 * at(step))],
    // The same hill each day, from eight in the morning.
    ['daily', load((step) => 10 + 190 * Math.max(0, Math.sin(((step / DAY_STEPS) % 1) * 2 * Math.PI - 2)))],
    // From 10 to 200 within 15 s, and back after an hour: nothing tells of it before.
    ['jumps', load((step, { jump }) => (jump(step) ? 200 : 10))],
    // Nothing but noise of a third around 100.
    ['noise', load((_step, { random }) => 100 + 33 * (random() + random() + random() - 1.5))],
  ]);
}

interface Tools {
  readonly random: () => number;
  /** Height of the ramps at a step, 0 to 1. */
  readonly at: (step: number) => number;
  readonly jump: (step: number) => boolean;
}

/** Every load has a twentieth of noise on top. */
function load(valueAt: (step: number, tools: Tools) => number): Load {
  const random = generator(42);
  const starts = Array.from({ length: DAYS * 8 }, (_, i) => Math.floor((i + random() * 0.5) * (DAY_STEPS / 8)));
  const at = (step: number): number =>
    Math.max(0, ...starts.map((start) => Math.min(1, (step - start) / 80, (start + 240 - step) / 80)));
  const jump = (step: number): boolean => starts.some((start) => step >= start && step < start + 240);
  return {
    startMs: 0,
    values: Array.from({ length: DAYS * DAY_STEPS }, (_, step) =>
      Math.max(0, valueAt(step, { random, at, jump }) * (0.95 + 0.1 * random())),
    ),
  };
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
