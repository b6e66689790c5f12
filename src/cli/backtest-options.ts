import { durationMs } from '../api/v1alpha1/duration.ts';
import type { BacktestOptions } from '../backtest/backtest.ts';

/** Flags of the `backtest` command that describe workload and policy, as they were typed. */
export interface BacktestFlags {
  readonly target: string;
  readonly min: string;
  readonly max: string;
  readonly podStart: string;
  readonly window: string;
  readonly warmTime: string;
  readonly threshold: string;
  readonly horizon: string;
  readonly cooldown: string;
  readonly within: string;
  readonly train: string;
  readonly tune: boolean;
}

/** Windows that a load is cut into to propose settings. */
const FOLDS = 4;

/**
 * Reads the flags.
 * @throws Error naming the flag that is not what it should be
 */
export function parseBacktestFlags(flags: BacktestFlags): BacktestOptions {
  const minReplicas = number('min', flags.min, 1, 10_000);
  return {
    workload: {
      targetPerPod: number('target', flags.target, Number.MIN_VALUE, Number.MAX_VALUE),
      minReplicas: Math.floor(minReplicas),
      maxReplicas: Math.floor(number('max', flags.max, minReplicas, 10_000)),
      podStartMs: duration('pod-start', flags.podStart),
      windowMs: duration('window', flags.window),
    },
    policy: {
      threshold: number('threshold', flags.threshold, 0, 1),
      horizonMs: duration('horizon', flags.horizon),
      cooldownMs: duration('cooldown', flags.cooldown),
    },
    warmMs: duration('warm-time', flags.warmTime),
    withinMs: duration('within', flags.within),
    trainingShare: number('train', flags.train, 0, 0.9),
    folds: flags.tune ? FOLDS : 0,
  };
}

/** Milliseconds of a flag such as `5m`. */
export function duration(flag: string, text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) {
    throw new Error(`--${flag} ${text} is not a duration; write it like 30s, 5m or 1h30m`);
  }
  return ms;
}

function number(flag: string, text: string, least: number, most: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= least && value <= most)) {
    const range = least === Number.MIN_VALUE ? 'greater than 0' : `from ${least} to ${most}`;
    throw new Error(`--${flag} ${text} is not a number ${range}`);
  }
  return value;
}
