import { formatSeconds } from '../api/v1alpha1/duration.ts';
import type { Decision, PrefetchPolicyStatus } from '../api/v1alpha1/prefetchpolicy.ts';
import { SYNC_PERIOD_MS } from './behavior.ts';
import type { HpaFacts } from './metrics.ts';
import { EvaluationReason } from './reasons.ts';
import { foretells } from './sign.ts';
import type { Sign } from './sign.ts';

/** The decisions that a status keeps, newest first. */
export function keptDecisions({ decision, history = [] }: PrefetchPolicyStatus): Decision[] {
  return decision === undefined ? [] : [decision, ...history];
}

/** How long after a decision, or after the time that it names, a scale-out counts as the one that it foresaw. */
export const FORESEEN_WITHIN_MS = 600_000;

/**
 * The decision that stands after a pass. One decision lasts from the first sign of a scale-out until the cooldown is over,
 * counted from the time for which the scale-out is expected where that is known, or until more replicas are expected than the
 * scale-out that followed it brought: a metric that wavers around the threshold, or an autoscaler that still waits for its new
 * Pods, must not look like many decisions.
 */
export function decide(
  previous: Decision | undefined,
  sign: Sign | undefined,
  cooldownMs: number,
  now: Date,
): Decision | undefined {
  if (sign === undefined || (previous !== undefined && stands(previous, sign, cooldownMs, now))) {
    const grows = sign !== undefined && previous?.scaledAt === undefined && previous?.outcome === undefined;
    return previous && grows
      ? { ...previous, expectedReplicas: Math.max(previous.expectedReplicas, sign.expectedReplicas) }
      : previous;
  }
  return {
    trigger: sign.trigger,
    reason: sign.reason,
    message: sign.message.slice(0, 1024),
    at: now.toISOString(),
    ...(sign.expectedBy === undefined ? {} : { expectedBy: sign.expectedBy.toISOString() }),
    currentReplicas: sign.currentReplicas,
    expectedReplicas: sign.expectedReplicas,
  };
}

/** Whether a sign belongs to the decision that was taken before. */
function stands(previous: Decision, sign: Sign, cooldownMs: number, now: Date): boolean {
  // A decision that lies ahead by more than the cooldown was taken by a clock that was wrong.
  const recent = now.getTime() > timeOf(previous.at) - cooldownMs && now.getTime() < lastMoment(previous) + cooldownMs;
  if (!recent || previous.outcome === 'FalseAlarm') {
    return false;
  }
  if (!foretells(previous.trigger)) {
    return !foretells(sign.trigger) && previous.outcome === undefined;
  }
  return (
    !foretells(sign.trigger) || previous.scaledAt === undefined || sign.expectedReplicas <= previous.expectedReplicas
  );
}

/** Records the scale-out that followed a decision in time, and the lead that warming had over it. */
export function recordScaleOut(decision: Decision | undefined, hpa: HpaFacts): Decision | undefined {
  const scaledAt = hpa.status?.lastScaleTime;
  if (decision === undefined || decision.scaledAt !== undefined || scaledAt === undefined) {
    return decision;
  }
  const desired = hpa.status?.desiredReplicas ?? 0;
  // lastScaleTime has whole seconds: one that falls into the second of the decision came after it. What was decided for the
  // scale-out itself comes up to a round after it.
  const earliest = Math.floor(timeOf(decision.at) / 1000) * 1000 - (isTooLate(decision) ? SYNC_PERIOD_MS : 0);
  const inTime = timeOf(scaledAt) >= earliest && timeOf(scaledAt) <= lastMoment(decision) + FORESEEN_WITHIN_MS;
  if (!foretells(decision.trigger) || desired <= decision.currentReplicas || !inTime) {
    return decision;
  }
  const notice = formatSeconds(timeOf(scaledAt) - timeOf(decision.at));
  return withLead({ ...decision, expectedReplicas: Math.max(decision.expectedReplicas, desired), scaledAt, notice });
}

/** The lead is known once both ends are: warm verified, and scaled out. */
export function withLead(decision: Decision): Decision {
  if (decision.scaledAt === undefined || decision.warmVerifiedAt === undefined) {
    return decision;
  }
  return { ...decision, leadTime: formatSeconds(timeOf(decision.scaledAt) - timeOf(decision.warmVerifiedAt)) };
}

/** Says what became of a decision, once that is known. Where nothing is warmed (`dryRun`) there is nothing to wait for. */
export function settle(decision: Decision, dryRun: boolean, now: Date): Decision {
  if (decision.outcome !== undefined) {
    return decision;
  }
  if (!foretells(decision.trigger)) {
    const prepared = dryRun || decision.warmVerifiedAt !== undefined;
    return prepared ? { ...decision, outcome: 'Prepared' } : decision;
  }
  if (decision.scaledAt !== undefined) {
    return { ...decision, outcome: isTooLate(decision) ? 'TooLate' : 'Foreseen' };
  }
  return now.getTime() > lastMoment(decision) + FORESEEN_WITHIN_MS ? { ...decision, outcome: 'FalseAlarm' } : decision;
}

/** The autoscaler had acted already. */
function isTooLate({ reason }: Decision): boolean {
  return reason === EvaluationReason.DesiredAboveCurrent;
}

/** When the scale-out was expected at the latest, in milliseconds since the epoch. */
function lastMoment({ at, expectedBy }: Decision): number {
  return Math.max(timeOf(at), expectedBy === undefined ? 0 : timeOf(expectedBy));
}

function timeOf(time: string): number {
  return new Date(time).getTime();
}
