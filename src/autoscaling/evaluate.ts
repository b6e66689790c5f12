import { gatherFacts } from './facts.ts';
import type { EvaluateOptions, Facts } from './facts.ts';
import type { Sample } from './history.ts';
import type { HpaFacts } from './metrics.ts';
import { EvaluationReason } from './reasons.ts';
import { SIGNALS } from './signals.ts';

/** Whether a scale-out is near, and why. */
export interface Evaluation {
  readonly scaleOutNear: boolean;
  readonly reason: EvaluationReason;
  /** The same for a person, with the figures. */
  readonly message: string;
  readonly currentReplicas: number;
  /** Replicas that the scale-out would lead to; the current ones when none is near. */
  readonly expectedReplicas: number;
  /** Ratio of current value to target of the metric that the autoscaler follows; undefined while it reports none. */
  readonly ratio: number | undefined;
}

/** Rounding errors of `replicas × ratio` must not cost a whole replica. */
const EPSILON = 1e-9;

/**
 * Says whether a HorizontalPodAutoscaler is about to add replicas, from its object and the samples of its recent past (oldest
 * first). Pure. The signals are those of `SIGNALS`, the first that applies decides; scale-in and a workload at its maximum
 * are never near.
 */
export function evaluate(hpa: HpaFacts, samples: readonly Sample[], options: EvaluateOptions): Evaluation {
  const facts = gatherFacts(hpa, samples, options);
  const { currentReplicas } = facts;
  const ratio = facts.highest?.ratio;
  for (const { reason, near, see } of SIGNALS) {
    const message = see(facts);
    if (message !== undefined) {
      const expectedReplicas = near ? expectedAfterScaleOut(facts) : currentReplicas;
      return { scaleOutNear: near, reason, message, currentReplicas, expectedReplicas, ratio };
    }
  }
  const message = 'no metric is near its target, and none is rising to it';
  return {
    scaleOutNear: false,
    reason: EvaluationReason.Steady,
    message,
    currentReplicas,
    expectedReplicas: currentReplicas,
    ratio,
  };
}

/**
 * ceil(current × ratio), as the autoscaler computes it (kubernetes.io, "Horizontal Pod Autoscaling", algorithm details),
 * within its bounds and at least what it already wants. Before it wants anything, the ratio is at least the one at which it
 * will act.
 */
function expectedAfterScaleOut(facts: Facts): number {
  const { currentReplicas, desiredReplicas, minReplicas, maxReplicas, tolerance } = facts;
  const acting = desiredReplicas > currentReplicas ? 1 : 1 + tolerance;
  const ratio = Math.max(acting, facts.highest?.ratio ?? 0, facts.rising?.ratio ?? 0);
  const wanted = Math.ceil(currentReplicas * ratio - EPSILON);
  return Math.min(maxReplicas, Math.max(minReplicas, desiredReplicas, currentReplicas + 1, wanted));
}
