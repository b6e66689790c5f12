import type { PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import { foretells } from '../../autoscaling/sign.ts';

/** When what prepares for Pods that may come is taken to be needed: what is sure to come goes first. */
const PREPARED_AHEAD_MS = 600_000;

/** When the images of a policy are needed: when its scale-out is expected, or at once where nobody knows. */
export function neededAt({ decision }: Pick<PrefetchPolicyStatus, 'decision'>, now: Date): Date {
  if (decision?.expectedBy !== undefined) {
    return new Date(decision.expectedBy);
  }
  return decision?.trigger === 'NewVersion' ? new Date(Date.parse(decision.at) + PREPARED_AHEAD_MS) : now;
}

/** Whether images were warmed for a scale-out that is foreseen and has not come: what is evicted meanwhile is warmed again. */
export function isAwaited({ decision }: Pick<PrefetchPolicyStatus, 'decision'>): boolean {
  return (
    decision !== undefined &&
    foretells(decision.trigger) &&
    decision.warmVerifiedAt !== undefined &&
    decision.outcome === undefined
  );
}

/**
 * Milliseconds until what was evicted may be warmed again. The first time it may be at once; from then on twice as long as
 * before must have passed since it was first warm, so that a seed whose disk is too small costs the origin a few copies for a
 * decision, and not one a minute. A warm that failed is none.
 */
export function restAfterEviction(
  { decision, lastWarmAt }: Pick<PrefetchPolicyStatus, 'decision' | 'lastWarmAt'>,
  now: Date,
): number {
  const { warmStartedAt, warmVerifiedAt } = decision ?? {};
  if (warmStartedAt === undefined || warmVerifiedAt === undefined || lastWarmAt === undefined) {
    return 0;
  }
  const [started, first] = [Date.parse(warmStartedAt), Date.parse(warmVerifiedAt)];
  if (started < first || Date.parse(lastWarmAt) < started) {
    return 0;
  }
  return Math.max(0, first + 2 * (started - first) - now.getTime());
}
