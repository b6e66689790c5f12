import { behaviorOf } from './behavior.ts';
import type { Behavior } from './behavior.ts';
import type { Sample } from './history.ts';
import { samplesOf } from './metrics.ts';
import type { HpaFacts, MetricSample } from './metrics.ts';
import { parseQuantity } from './quantity.ts';
import { highestProposal, replicasForValue } from './replicas.ts';
import type { Tolerances } from './replicas.ts';
import { theilSenSlope } from './trend.ts';

/** How far a metric may be off its target before the autoscaler acts, unless it says otherwise (controller manager's default). */
const DEFAULT_TOLERANCE = 0.1;
/** Part of the history that makes the trend: long enough for eight samples, short enough to follow the start of a rush. */
const TREND_WINDOW_MS = 120_000;

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
  const recent = samples.filter(({ at }) => at > now.getTime() - TREND_WINDOW_MS && at <= now.getTime());
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
    rising: metrics
      .flatMap((metric) => forecast(metric, recent, currentReplicas, horizonMs))
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
function forecast(
  { metric, ratio }: MetricSample,
  samples: readonly Sample[],
  currentReplicas: number,
  horizonMs: number,
): Forecast[] {
  const points = samples.flatMap((sample) => {
    const past = sample.ratios.get(metric);
    return past === undefined ? [] : [{ at: sample.at, value: past * sample.currentReplicas }];
  });
  const slope = theilSenSlope(points);
  if (slope === undefined || slope <= 0 || currentReplicas === 0) {
    return [];
  }
  return [{ metric, ratio: ratio + (slope * horizonMs) / currentReplicas }];
}
