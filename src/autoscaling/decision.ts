import type { Evaluation } from './evaluate.ts';
import type { HpaFacts } from './metrics.ts';

/** That a scale-out is near, as the status of a PrefetchPolicy shows it. Times are RFC 3339. */
export interface Decision {
  trigger: 'Autoscaler';
  reason: string;
  message: string;
  at: string;
  currentReplicas: number;
  expectedReplicas: number;
  warmStartedAt?: string | undefined;
  warmVerifiedAt?: string | undefined;
  scaledAt?: string | undefined;
  leadTime?: string | undefined;
}

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
  // A decision that lies ahead by more than that was taken by a clock that was wrong.
  const recent = previous !== undefined && Math.abs(now.getTime() - new Date(previous.at).getTime()) < cooldownMs;
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
export function recordScaleOut(decision: Decision | undefined, hpa: HpaFacts): Decision | undefined {
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
  return { ...decision, leadTime: `${(lead / 1000).toFixed(1)}s` };
}
