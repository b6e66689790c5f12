import type { PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { Evaluation } from '../../autoscaling/evaluate.ts';
import type { HorizontalPodAutoscaler } from '../../kube/resources.ts';
import { formatSeconds } from '../duration.ts';

export type Decision = NonNullable<PrefetchPolicyStatus['decision']>;

/**
 * The decision that stands after an evaluation. One decision lasts from the first sign of a scale-out until nothing has
 * pointed to one for the cooldown, or until more replicas are expected than the scale-out that followed it brought: a metric
 * that wavers around the threshold, or an autoscaler that still waits for its new Pods, must not look like many decisions.
 */
export function decide(
  previous: Decision | undefined,
  evaluation: Evaluation,
  cooldownMs: number,
  now: Date,
): Decision | undefined {
  if (!evaluation.scaleOutNear) {
    return previous;
  }
  const recent = previous !== undefined && now.getTime() - new Date(previous.at).getTime() < cooldownMs;
  if (recent && previous.scaledAt === undefined) {
    return { ...previous, expectedReplicas: Math.max(previous.expectedReplicas, evaluation.expectedReplicas) };
  }
  if (recent && evaluation.expectedReplicas <= previous.expectedReplicas) {
    return previous;
  }
  return {
    trigger: 'Autoscaler',
    reason: evaluation.reason,
    message: evaluation.message.slice(0, 1024),
    at: now.toISOString(),
    currentReplicas: evaluation.currentReplicas,
    expectedReplicas: evaluation.expectedReplicas,
  };
}

/** Records the scale-out that followed a decision, and the lead that warming had over it. */
export function recordScaleOut(decision: Decision | undefined, hpa: HorizontalPodAutoscaler): Decision | undefined {
  const scaledAt = hpa.status?.lastScaleTime;
  const grew = (hpa.status?.desiredReplicas ?? 0) > (decision?.currentReplicas ?? 0);
  if (decision === undefined || decision.scaledAt !== undefined || scaledAt === undefined || !grew) {
    return decision;
  }
  // lastScaleTime has whole seconds: one that falls into the second of the decision came after it.
  if (new Date(scaledAt).getTime() < Math.floor(new Date(decision.at).getTime() / 1000) * 1000) {
    return decision;
  }
  const expectedReplicas = Math.max(decision.expectedReplicas, hpa.status?.desiredReplicas ?? 0);
  return withLead({ ...decision, expectedReplicas, scaledAt });
}

/** The lead is known once both ends are: warm verified, and scaled out. */
export function withLead(decision: Decision): Decision {
  if (decision.scaledAt === undefined || decision.warmVerifiedAt === undefined) {
    return decision;
  }
  const lead = new Date(decision.scaledAt).getTime() - new Date(decision.warmVerifiedAt).getTime();
  return { ...decision, leadTime: formatSeconds(lead) };
}
