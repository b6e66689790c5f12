/**
 * node test/bench/backtest.ts: how well scale-outs are foreseen on real and generated loads; nothing is measured but the
 * second half of each, and whatever was fitted was fitted on the first. One line of JSON per figure.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { figure } from '../../hack/figures.ts';
import { SYNC_PERIOD_MS } from '../../src/autoscaling/behavior.ts';
import { backtest } from '../../src/backtest/backtest.ts';
import { parseCsv } from '../../src/backtest/csv.ts';
import type { Verdict } from '../../src/backtest/judge.ts';
import { resample } from '../../src/backtest/load.ts';
import type { Load, Measurement } from '../../src/backtest/load.ts';
import { generatedLoads } from './backtest/loads.ts';

const TRACES = { nasa: 'nasa-http-1995-07', elb: 'aws-elb-2014-04', tweets: 'tweets-amzn-2015' };
/** Pods that the 99th percentile of the first half needs. */
const PODS = 10;

for (const [name, file] of Object.entries(TRACES)) {
  const path = join(import.meta.dirname, 'traces', `${file}.csv`);
  const measurements = parseCsv(await readFile(path, 'utf8'), path);
  print(name, resample(measurements));
  if (name !== 'nasa') {
    print(`${name}-steps`, resample(held(measurements)));
  }
}
for (const [name, load] of generatedLoads()) {
  print(name, load);
}

function print(name: string, load: Load): void {
  const result = backtest(load, {
    workload: {
      targetPerPod: percentile(load.values.slice(0, load.values.length / 2), 0.99) / PODS,
      minReplicas: 1,
      maxReplicas: 40,
      podStartMs: 30_000,
      windowMs: 60_000,
    },
    // The defaults of a PrefetchPolicy.
    policy: { threshold: 0.85, horizonMs: 60_000, cooldownMs: 300_000 },
    warmMs: 30_000,
    withinMs: 600_000,
    trainingShare: 0.5,
    // Chosen on the first half, judged on the second.
    folds: 2,
  });
  const verdicts: Record<string, Verdict | undefined> = {
    slipstream: result.slipstream,
    tuned: result.folds.at(-1)?.verdict,
    'at-event': result.atEvent,
    cron: result.cron,
  };
  for (const [way, verdict] of Object.entries(verdicts)) {
    const at = `${name} ${way}`;
    const figures = [
      // What decides at the event only is never wrong, and foresees nothing.
      ['backtest.precision', '×', way === 'at-event' ? 1 : verdict?.precision],
      ['backtest.recall', '×', verdict?.recall],
      ['backtest.lead.p50', 's', verdict?.leadP50Ms === undefined ? undefined : verdict.leadP50Ms / 1000],
      ['backtest.falseAlarms', 'count', verdict?.falseAlarms],
      ['backtest.scaleOuts', 'count', verdict?.episodes],
    ] as const;
    for (const [of, unit, value] of figures) {
      if (value !== undefined) {
        console.log(JSON.stringify(figure(of, unit, [value], at)));
      }
    }
  }
}

/** Each value until just before the next one: what a seldom sampled load is at worst, where straight lines are the best. */
function held(measurements: readonly Measurement[]): Measurement[] {
  return measurements.flatMap((measurement, i) => {
    const until = (measurements[i + 1]?.at ?? 0) - SYNC_PERIOD_MS;
    return until > measurement.at ? [measurement, { at: until, value: measurement.value }] : [measurement];
  });
}

function percentile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? Number.NaN;
}
