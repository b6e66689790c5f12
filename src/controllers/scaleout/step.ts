import { PrefetchPolicyReason as Reason, WARM } from '../../api/v1alpha1/conditions.ts';
import type { Decision, PrefetchPolicy } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { HorizontalPodAutoscaler } from '../../kube/resources.ts';
import type { Change } from '../../runtime/store.ts';
import { decisionsOf, follows } from '../../scaleout/decisions.ts';
import { recorded, seenAt, type Instant } from '../../scaleout/instant.ts';
import type { Window } from '../../scaleout/members.ts';

/** What the autoscaler may have taken to say that it scaled, in milliseconds: what is later was seen late. */
const FRESH_MS = 2000;

/** One scale-out by an autoscaler. */
export interface Step {
  /** By the clock of this process, if it saw it at once. */
  readonly scaled: Instant;
  /** The autoscaler's `lastScaleTime`, in milliseconds since the epoch. */
  readonly recordedMs: number;
  readonly replicas: { readonly from: number; readonly to: number };
  readonly window: Window;
}

/** The scale-out that a change of an autoscaler tells of; undefined if it tells of none. */
export function stepOf(change: Change<HorizontalPodAutoscaler>, now: Date): Step | undefined {
  if (change.type !== 'updated') {
    return undefined;
  }
  const [before, after] = [change.old.status, change.object.status];
  const scaled = before?.lastScaleTime === after?.lastScaleTime ? undefined : recorded(after?.lastScaleTime);
  const to = after?.desiredReplicas ?? 0;
  // With lastScaleTime come the replicas before it; a round later they are those after it.
  const current = after?.currentReplicas ?? 0;
  const from = current < to ? current : (before?.desiredReplicas ?? current);
  if (scaled === undefined || from >= to) {
    return undefined;
  }
  const behindMs = now.getTime() - scaled.ms;
  return {
    scaled: behindMs >= 0 && behindMs < FRESH_MS ? seenAt(now) : scaled,
    recordedMs: scaled.ms,
    replicas: { from, to },
    window: { fromMs: Math.min(scaled.ms, now.getTime()), from, to },
  };
}

/** What a policy has to do with a scale-out. */
export interface Foresight {
  /** Its decision that foresaw it. */
  readonly decision: Decision;
  /** Whether the warm that followed is still under way. */
  readonly warming: boolean;
}

/** What foresaw a scale-out; undefined if nothing did. */
export function foresightOf(step: Step, policies: readonly PrefetchPolicy[]): Foresight | undefined {
  for (const policy of policies) {
    const decision = foresaw(decisionsOf(policy.status), step);
    if (decision !== undefined) {
      return { decision, warming: decision.warmVerifiedAt === undefined && isWarming(policy) };
    }
  }
  return undefined;
}

function foresaw(decisions: readonly Decision[], { recordedMs, replicas }: Step): Decision | undefined {
  const found = decisions.find(({ scaledAt }) => Date.parse(scaledAt ?? '') === recordedMs);
  const [newest] = decisions;
  return found === undefined && newest !== undefined && follows(newest, { ms: recordedMs, whole: true }, replicas.to)
    ? newest
    : found;
}

function isWarming({ status }: PrefetchPolicy): boolean {
  return status?.conditions?.some(({ type, reason }) => type === WARM && reason === Reason.Warming) === true;
}
