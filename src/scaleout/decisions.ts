import type { Decision, PrefetchPolicyStatus } from '../api/v1alpha1/prefetchpolicy.ts';
import { keptDecisions } from '../autoscaling/decision.ts';
import { foretells } from '../autoscaling/sign.ts';
import type { HorizontalPodAutoscaler } from '../kube/resources.ts';
import { recorded, type Instant } from './instant.ts';
import { SCALE_OUT_MS, type Window } from './members.ts';

/** A scale-out as a PrefetchPolicy and its autoscaler have recorded it. */
export interface RecordedScaleOut {
  readonly decision?: Decision;
  /** Missing as long as the autoscaler has not scaled. */
  readonly scaled?: Instant;
  /** Known of the autoscaler's newest scale-out only. */
  readonly replicas?: { readonly from: number; readonly to: number };
  readonly window?: Window;
}

/** The decisions of a policy, newest first, but for those that no scale-out followed or that foretell none. */
export function decisionsOf(status: PrefetchPolicyStatus | undefined): readonly Decision[] {
  return keptDecisions(status ?? {}).filter(({ trigger, outcome }) => foretells(trigger) && outcome !== 'FalseAlarm');
}

/**
 * The scale-outs that are recorded, newest first. The newest may be a decision that the autoscaler has not followed yet, or
 * a time at which it scaled, out or in, without a decision.
 */
export function scaleOutsOf(
  status: PrefetchPolicyStatus | undefined,
  { status: hpa }: HorizontalPodAutoscaler,
): readonly RecordedScaleOut[] {
  const last = recorded(hpa?.lastScaleTime);
  const decisions = decisionsOf(status).map((decision, index) =>
    // The pass that will record it may still be warming.
    index === 0 && follows(decision, last, hpa?.desiredReplicas)
      ? { ...decision, scaledAt: hpa?.lastScaleTime }
      : decision,
  );
  const scaled = decisions.flatMap((decision) => {
    const at = recorded(decision.scaledAt);
    return at === undefined ? [] : [{ decision, at }];
  });
  const known: readonly { decision?: Decision; at: Instant }[] =
    last === undefined || scaled.some(({ at }) => at.ms >= last.ms) ? scaled : [{ at: last }, ...scaled];
  const pending = decisions[0]?.scaledAt === undefined ? decisions.slice(0, 1) : [];
  return [
    ...pending.map((decision) => ({ decision })),
    ...known.map(({ decision, at }, index) => {
      const from = decision?.currentReplicas;
      const to = at.ms === last?.ms ? hpa?.desiredReplicas : undefined;
      return {
        ...(decision === undefined ? {} : { decision }),
        scaled: at,
        ...(from === undefined || to === undefined || from >= to ? {} : { replicas: { from, to } }),
        window: { fromMs: at.ms, untilMs: known[index - 1]?.at.ms, from, to: to ?? decision?.expectedReplicas },
      };
    }),
  ];
}

/** Whether a decision that no scale-out is recorded of was followed by this one all the same. */
export function follows(
  { at, scaledAt, currentReplicas }: Decision,
  scaled: Instant | undefined,
  desiredReplicas: number | undefined,
): boolean {
  // The autoscaler's time has whole seconds.
  const behindMs = scaled === undefined ? -1 : scaled.ms - Math.floor(Date.parse(at) / 1000) * 1000;
  return scaledAt === undefined && behindMs >= 0 && behindMs < SCALE_OUT_MS && (desiredReplicas ?? 0) > currentReplicas;
}
