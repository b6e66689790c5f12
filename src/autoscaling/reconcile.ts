import { firstMemory, normalize, remember } from './normalize.ts';
import type { Bounds, Memory, Normalized } from './normalize.ts';
import { highestProposal } from './replicas.ts';

/** What one round of an autoscaler starts from. */
export interface Round {
  /** `spec.replicas` of the target. */
  readonly currentReplicas: number;
  /** What each of its metrics proposes; undefined where a metric could not be had. */
  readonly proposals: readonly (number | undefined)[];
  /** Whether it was itself that went to zero, so that it may come back (condition ScaledToZero). */
  readonly scaledToZero?: boolean;
}

/** What comes out of it. */
export interface Outcome {
  readonly desiredReplicas: number;
  /** Reasons of AbleToScale and ScalingLimited; undefined when the round never came to them. */
  readonly reasons: Pick<Normalized, 'ableToScale' | 'scalingLimited'> | undefined;
  /** To be given to the next round. */
  readonly memory: Memory;
}

/** One round of a HorizontalPodAutoscaler (reconcileAutoscaler in horizontal.go). Without a memory it is its first. */
export function reconcile(round: Round, bounds: Bounds, earlier: Memory | undefined, now: number): Outcome {
  const { currentReplicas, proposals, scaledToZero = false } = round;
  const { minReplicas, maxReplicas } = bounds;
  const memory = earlier ?? firstMemory(currentReplicas, now);
  const forced = (desiredReplicas: number): Outcome => ({
    desiredReplicas,
    reasons: undefined,
    // Only changes are remembered here: no metric was asked.
    memory: { ...memory, events: remember(memory, currentReplicas, desiredReplicas - currentReplicas, now).events },
  });
  if (currentReplicas === 0 && !scaledToZero) {
    return forced(0);
  }
  if (currentReplicas > maxReplicas) {
    return forced(maxReplicas);
  }
  if (currentReplicas > 0 && currentReplicas < minReplicas) {
    return forced(minReplicas);
  }
  const proposal = highestProposal(proposals, currentReplicas);
  if (proposal === undefined) {
    return forced(currentReplicas);
  }
  const { desiredReplicas, ...reasons } = normalize(proposal, currentReplicas, bounds, memory, now);
  const desired = currentReplicas === 0 ? Math.max(minReplicas, desiredReplicas) : desiredReplicas;
  return {
    desiredReplicas: desired,
    reasons,
    memory: remember(memory, proposal, desired - currentReplicas, now),
  };
}
