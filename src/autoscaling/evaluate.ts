import { expectedReplicas } from './expected.ts';
import { gatherFacts } from './facts.ts';
import type { EvaluateOptions } from './facts.ts';
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
      const expected = near ? expectedReplicas(facts) : currentReplicas;
      return { scaleOutNear: near, reason, message, currentReplicas, expectedReplicas: expected, ratio };
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
