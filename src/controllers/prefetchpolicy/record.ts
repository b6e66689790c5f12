import type { PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import { decide, keptDecisions, recordScaleOut, settle } from '../../autoscaling/decision.ts';
import { addEvidence, firstEvidence } from '../../autoscaling/evidence.ts';
import type { HpaFacts } from '../../autoscaling/metrics.ts';
import type { Sign } from '../../autoscaling/sign.ts';

/** Decisions that a status keeps beside the newest. */
const KEPT = 20;

/** What a record is made of. */
export interface Seen {
  readonly sign: Sign | undefined;
  readonly hpa: HpaFacts;
  readonly cooldownMs: number;
  /** Whether decisions are only recorded. */
  readonly dryRun: boolean;
  readonly now: Date;
}

/**
 * Brings the decisions of a status, and the evidence of how good they were, up to date with what was seen: a new decision, the
 * scale-out that followed one, or that none followed.
 */
export function record(status: PrefetchPolicyStatus, { sign, hpa, cooldownMs, dryRun, now }: Seen): void {
  const before = keptDecisions(status);
  const [previous] = before;
  const newest = decide(previous, sign, cooldownMs, now);
  const earlier = newest?.at === previous?.at ? before.slice(1) : before;
  // In this order: a scale-out that is larger than it was foreseen is still the one that was foreseen.
  const after = [newest, ...earlier].flatMap((decision) => {
    const recorded = recordScaleOut(decision, hpa);
    return recorded === undefined ? [] : [settle(recorded, dryRun, now)];
  });
  const [decision, ...history] = after;
  if (decision === undefined) {
    return;
  }
  status.decision = decision;
  status.history = history.slice(0, KEPT);
  status.evidence = addEvidence(status.evidence ?? firstEvidence(now), before, after, cooldownMs);
}
