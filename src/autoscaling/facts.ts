import { behaviorOf, SYNC_PERIOD_MS } from './behavior.ts';
import type { Behavior } from './behavior.ts';
import type { Sample } from './history.ts';
import { samplesOf } from './metrics.ts';
import type { HpaFacts, MetricSample } from './metrics.ts';
import { parseQuantity } from './quantity.ts';
import { highestProposal, replicasForValue } from './replicas.ts';
import type { Tolerances } from './replicas.ts';
import { theilSenSlope } from './trend.ts';
import type { Point } from './trend.ts';

/** How far a metric may be off its target before the autoscaler acts, unless it says otherwise (controller manager's default). */
const DEFAULT_TOLERANCE = 0.1;
/** Rounds of the autoscaler that make the trend, two minutes: enough to see through one outlier, few enough to follow a rush. */
const TREND_ROUNDS = 8;
/** Share of the threshold below which a metric is at rest. */
const REST = 0.7;

/** Where a metric is heading. */
export interface Forecast {
  readonly metric: string;
  /** Ratio that the trend reaches at the end of the horizon, at today's replicas. */
  readonly ratio: number;
}

/** What the signals look at, gathered from an autoscaler and its recent past. */
export interface Facts {
  readonly currentReplicas: number;
  readonly desiredReplicas: number;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly tolerances: Tolerances;
  readonly behavior: Behavior;
  /** Replicas that its formula makes of the metrics in its status, before policies and bounds; undefined when of none. */
  readonly proposal: number | undefined;
  readonly threshold: number;
  readonly horizonMs: number;
  /** The metric furthest above its target, which is the one the autoscaler follows. */
  readonly highest: MetricSample | undefined;
  /** The highest of those that have come up from rest and passed the threshold. */
  readonly climbing: MetricSample | undefined;
  /** The metric whose trend goes furthest, if any rises. */
  readonly rising: Forecast | undefined;
  /** Reason of a condition while it has this status; empty when it has not, or when there is no such condition. */
  readonly conditionReason: (type: string, status: 'True' | 'False') => string;
}

export interface EvaluateOptions {
  /** Share of its target at which a metric makes a scale-out near; 1 is the target itself. */
  readonly threshold: number;
  /** How far ahead the trend is followed, in milliseconds; 0: not at all. */
  readonly horizonMs: number;
  readonly now: Date;
}

/** Gathers what an autoscaler's object and its samples, oldest first, say at `now`. */
export function gatherFacts(hpa: HpaFacts, samples: readonly Sample[], options: EvaluateOptions): Facts {
  const { threshold, horizonMs, now } = options;
  const { spec, status } = hpa;
  const currentReplicas = status?.currentReplicas ?? 0;
  const metrics = samplesOf(hpa);
  const tolerances = {
    up: toleranceOf(spec?.behavior?.scaleUp?.tolerance),
    down: toleranceOf(spec?.behavior?.scaleDown?.tolerance),
  };
  const pasts = metrics.map((metric) => ({ metric, past: pastOf(metric.metric, samples, now.getTime()) }));
  return {
    currentReplicas,
    desiredReplicas: status?.desiredReplicas ?? currentReplicas,
    minReplicas: spec?.minReplicas ?? 1,
    maxReplicas: spec?.maxReplicas ?? currentReplicas,
    tolerances,
    behavior: behaviorOf(spec?.behavior),
    // The status has averages only, so every Pod is taken to be ready.
    proposal: highestProposal(
      metrics.map(({ ratio }) => replicasForValue(ratio, currentReplicas, currentReplicas, tolerances)),
      currentReplicas,
    ),
    threshold,
    horizonMs,
    highest: metrics.toSorted((a, b) => b.ratio - a.ratio)[0],
    climbing: pasts
      .filter(({ metric, past }) => metric.ratio >= threshold && isClimbing(past, threshold))
      .map(({ metric }) => metric)
      .toSorted((a, b) => b.ratio - a.ratio)[0],
    rising: pasts
      .flatMap(({ metric, past }) => forecast(metric, past, currentReplicas, horizonMs))
      .toSorted((a, b) => b.ratio - a.ratio)[0],
    conditionReason: (type, wanted) =>
      status?.conditions?.find((condition) => condition.type === type && condition.status === wanted)?.reason ?? '',
  };
}

function toleranceOf(text: string | undefined): number {
  const tolerance = parseQuantity(text ?? '');
  return Number.isFinite(tolerance) ? tolerance : DEFAULT_TOLERANCE;
}

/**
 * Follows the metric's trend to the horizon. What is followed is the demand, ratio × replicas: a scale-out halves the ratio
 * while the load goes on rising.
 */
function forecast({ metric, ratio }: MetricSample, past: Past, currentReplicas: number, horizonMs: number): Forecast[] {
  const slope = theilSenSlope(past.demand);
  if (slope === undefined || slope <= 0 || currentReplicas === 0) {
    return [];
  }
  return [{ metric, ratio: ratio + (slope * horizonMs) / currentReplicas }];
}

/**
 * Whether a metric comes up from rest. Near its target is where an autoscaler of many replicas keeps it all day, so that
 * alone says nothing: it must have been well below the threshold within the window, and rise. What is not known for as long
 * yet is taken to come from rest.
 */
function isClimbing(past: Past, threshold: number): boolean {
  if (!past.complete) {
    return true;
  }
  const slope = theilSenSlope(past.demand);
  return slope !== undefined && slope > 0 && past.ratios.some((ratio) => ratio < threshold * REST);
}

/** What is known of one metric at each round of the window. */
interface Past {
  readonly demand: readonly Point[];
  readonly ratios: readonly number[];
  /** Whether there is a value for each round. */
  readonly complete: boolean;
}

/** A metric every 15 s of the window, until now; what an autoscaler wrote holds until it writes again, as it skips equal values. */
function pastOf(metric: string, samples: readonly Sample[], now: number): Past {
  const demand: Point[] = [];
  const ratios: number[] = [];
  let next = samples.findLastIndex(({ at }) => at <= now);
  for (let round = 0; round < TREND_ROUNDS; round++) {
    const at = now - round * SYNC_PERIOD_MS;
    while (next >= 0 && (samples[next]?.at ?? 0) > at) {
      next--;
    }
    const sample = samples[next];
    const ratio = sample?.ratios.get(metric);
    if (sample !== undefined && ratio !== undefined) {
      demand.push({ at, value: ratio * sample.currentReplicas });
      ratios.push(ratio);
    }
  }
  return { demand, ratios, complete: ratios.length === TREND_ROUNDS };
}
