import type { Facts } from './facts.ts';
import { EvaluationReason } from './reasons.ts';

/** One thing to look at. It answers with a message when it applies. */
export interface Signal {
  readonly reason: EvaluationReason;
  readonly near: boolean;
  readonly see: (facts: Facts) => string | undefined;
}

/**
 * Everything that is looked at, in order: the first signal that applies decides. First what rules a scale-out out, then what
 * the autoscaler itself says, then its metrics.
 */
export const SIGNALS: readonly Signal[] = [
  {
    // With no replicas the autoscaler is off; one that is raised from zero by hand or by an event says so by itself.
    reason: EvaluationReason.ScaledToZero,
    near: false,
    see: (f) => (f.currentReplicas === 0 && f.desiredReplicas === 0 ? 'the target has no replicas' : undefined),
  },
  {
    // At the maximum the autoscaler may want more (TooManyReplicas) and gets none.
    reason: EvaluationReason.AtMaximum,
    near: false,
    see: (f) =>
      f.currentReplicas >= f.maxReplicas
        ? `${f.currentReplicas} replicas are the most that the autoscaler may have`
        : undefined,
  },
  {
    // The new Pods are being made right now; the bulk of a large step comes 15 s and more later.
    reason: EvaluationReason.DesiredAboveCurrent,
    near: true,
    see: (f) =>
      f.desiredReplicas > f.currentReplicas
        ? `the autoscaler wants ${f.desiredReplicas} replicas and there are ${f.currentReplicas}`
        : undefined,
  },
  {
    // TooFewReplicas alone is how an idle workload looks at its minimum; only below it does something follow.
    reason: EvaluationReason.BelowMinimum,
    near: true,
    see: (f) =>
      f.conditionReason('ScalingLimited', 'True') === 'TooFewReplicas' && f.currentReplicas < f.minReplicas
        ? `there are ${f.currentReplicas} replicas and the minimum is ${f.minReplicas}`
        : undefined,
  },
  {
    // Scaling in is never a reason to warm, however close to its target a metric still is. None wanted, where none may not
    // be, is how an autoscaler looks that has not had a metric yet.
    reason: EvaluationReason.ScalingIn,
    near: false,
    see: (f) =>
      f.desiredReplicas < f.currentReplicas && f.desiredReplicas >= f.minReplicas
        ? `the autoscaler is going from ${f.currentReplicas} replicas down to ${f.desiredReplicas}`
        : undefined,
  },
  {
    // It says ScaleUpLimit all the time then, and nothing follows.
    reason: EvaluationReason.ScaleUpDisabled,
    near: false,
    see: (f) => (f.behavior?.up.select === 'Disabled' ? 'scaling up is disabled in its behavior' : undefined),
  },
  {
    // The scale-up policy cut the step short: the rest follows with the next period.
    reason: EvaluationReason.ScaleUpLimited,
    near: true,
    see: (f) =>
      f.conditionReason('ScalingLimited', 'True') === 'ScaleUpLimit'
        ? 'the autoscaler wants more replicas than its scale-up policy lets it add at once'
        : undefined,
  },
  {
    // Up to an hour of notice, depending on the stabilization window.
    reason: EvaluationReason.ScaleUpStabilized,
    near: true,
    see: (f) =>
      f.conditionReason('AbleToScale', 'True') === 'ScaleUpStabilized'
        ? 'the autoscaler wants more replicas and waits for its stabilization window'
        : undefined,
  },
  {
    reason: EvaluationReason.NoMetrics,
    near: false,
    see: (f) => (f.highest === undefined ? 'the autoscaler reports no metric to compare with its target' : undefined),
  },
  {
    // Not where it stays: an autoscaler of many replicas keeps its metric near the target all day.
    reason: EvaluationReason.ThresholdPassed,
    near: true,
    see: (f) =>
      f.climbing !== undefined
        ? `${f.climbing.metric} is at ${percent(f.climbing.ratio)} of its target; the threshold is ${percent(f.threshold)}`
        : undefined,
  },
  {
    // The autoscaler acts above 1 + tolerance, so that is what the trend has to reach.
    reason: EvaluationReason.TrendCrossesTarget,
    near: true,
    see: (f) =>
      f.rising !== undefined && f.rising.ratio > 1 + f.tolerances.up
        ? `${f.rising.metric} rises to ${percent(f.rising.ratio)} of its target within ${Math.round(f.horizonMs / 1000)} s`
        : undefined,
  },
];

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
