import { SYNC_PERIOD_MS } from '../autoscaling/behavior.ts';

/** A measurement of the load; the time in milliseconds since the epoch. */
export interface Measurement {
  readonly at: number;
  readonly value: number;
}

/** A load at even steps, one for each round of an autoscaler. */
export interface Load {
  readonly startMs: number;
  readonly values: readonly number[];
}

/** Two years of rounds: what is longer is a mistake, and would not fit into memory. */
const MAX_STEPS = 4_300_000;

/**
 * A load at steps of 15 s from measurements at any times, oldest first: in between lies the straight line from one to the
 * next, which makes what is sampled seldom look smoother than it was.
 * @throws RangeError when there are fewer than two measurements, or they span more than two years
 */
export function resample(measurements: readonly Measurement[]): Load {
  const [first] = measurements;
  const last = measurements.at(-1);
  if (first === undefined || last === undefined || measurements.length < 2) {
    throw new RangeError(`${measurements.length} measurements are no load: two or more are needed`);
  }
  const steps = Math.floor((last.at - first.at) / SYNC_PERIOD_MS) + 1;
  if (steps > MAX_STEPS) {
    throw new RangeError('the measurements span more than two years: take a part of them');
  }
  const values: number[] = [];
  let next = 1;
  for (let step = 0; step < steps; step++) {
    const at = first.at + step * SYNC_PERIOD_MS;
    while (next < measurements.length - 1 && (measurements[next]?.at ?? at) < at) {
      next++;
    }
    values.push(between(measurements[next - 1] ?? first, measurements[next] ?? last, at));
  }
  return { startMs: first.at, values };
}

function between(before: Measurement, after: Measurement, at: number): number {
  const share = after.at === before.at ? 1 : (at - before.at) / (after.at - before.at);
  return before.value + (after.value - before.value) * Math.min(1, Math.max(0, share));
}
