/** Why a scale-out is, or is not, near: facts that a status can show. */
export const EvaluationReason = {
  /** The autoscaler has decided on more replicas than there are. */
  DesiredAboveCurrent: 'DesiredAboveCurrent',
  /** There are fewer replicas than the minimum: it will raise them. */
  BelowMinimum: 'BelowMinimum',
  /** It wanted more replicas than its scale-up policy lets it add at once: the next step is certain. */
  ScaleUpLimited: 'ScaleUpLimited',
  /** It wants more replicas, and waits for its stabilization window. */
  ScaleUpStabilized: 'ScaleUpStabilized',
  /** A metric has passed the share of its target at which to warm. */
  ThresholdPassed: 'ThresholdPassed',
  /** A metric rises so fast that it will make the autoscaler act within the horizon. */
  TrendCrossesTarget: 'TrendCrossesTarget',
  /** There are as many replicas as there may be: no scale-out can follow. */
  AtMaximum: 'AtMaximum',
  /** Its `behavior` forbids it to scale up. */
  ScaleUpDisabled: 'ScaleUpDisabled',
  /** The target has no replicas: its autoscaler is off, and sees no metrics of Pods. */
  ScaledToZero: 'ScaledToZero',
  /** The autoscaler is taking replicas away. */
  ScalingIn: 'ScalingIn',
  /** The autoscaler has reported no metric that can be compared with its target. */
  NoMetrics: 'NoMetrics',
  /** No signal says that a scale-out is near. */
  Steady: 'Steady',
} as const;
export type EvaluationReason = (typeof EvaluationReason)[keyof typeof EvaluationReason];
