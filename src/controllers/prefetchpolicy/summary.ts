import type { PrefetchPolicy, PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import { PrefetchPolicyReason as Reason, READY, RECONCILING, STALLED, WARM } from '../../api/v1alpha1/conditions.ts';
import type { Condition } from '../../api/v1alpha1/meta.ts';
import { removeCondition, setCondition } from '../../runtime/conditions.ts';
import { reasonOfLost } from './provider-errors.ts';
import type { ReconcileError } from '../reconcile-error.ts';

export type Verdict =
  { kind: 'done'; idle: boolean } | { kind: 'warming'; message: string } | { kind: 'failed'; error: ReconcileError };

/** The one place that turns a pass into conditions, the printer columns and observedGeneration. */
export function summarise(
  policy: PrefetchPolicy,
  draft: PrefetchPolicyStatus,
  verdict: Verdict,
  now: Date,
): PrefetchPolicyStatus {
  const generation = policy.metadata.generation;
  let conditions: Condition[] = [...(draft.conditions ?? [])];
  const set = (type: string, status: Condition['status'], reason: string, message: string): void => {
    conditions = setCondition(conditions, { type, status, reason, message }, { generation, now });
  };
  conditions = removeCondition(removeCondition(conditions, RECONCILING), STALLED);
  if (verdict.kind === 'failed') {
    set(READY, 'False', verdict.error.reason, verdict.error.message);
    set(verdict.error.kind === 'stalled' ? STALLED : RECONCILING, 'True', verdict.error.reason, verdict.error.message);
  } else {
    const { reason, message } = watching(draft, verdict.kind === 'done' && verdict.idle);
    set(READY, 'True', reason, message);
  }
  if (verdict.kind === 'warming') {
    set(RECONCILING, 'True', Reason.Warming, verdict.message);
  }
  const warm = warmCondition(policy, draft, verdict);
  set(WARM, warm.status, warm.reason, warm.message);
  const blobs = draft.images?.reduce(
    (sum, image) => ({ total: sum.total + image.blobs.total, warm: sum.warm + image.blobs.warm }),
    {
      total: 0,
      warm: 0,
    },
  );
  return {
    ...draft,
    conditions,
    observedGeneration: generation,
    ...(blobs === undefined ? {} : { warm: `${blobs.warm}/${blobs.total}` }),
  };
}

function watching(
  { horizontalPodAutoscaler }: PrefetchPolicyStatus,
  idle: boolean,
): Pick<Condition, 'reason' | 'message'> {
  const watched = `HorizontalPodAutoscaler ${horizontalPodAutoscaler} is watched`;
  return idle
    ? { reason: Reason.ScaledToZero, message: `${watched}, which is off while its target has no replicas` }
    : { reason: Reason.Watching, message: watched };
}

function warmCondition(
  policy: PrefetchPolicy,
  { images }: PrefetchPolicyStatus,
  verdict: Verdict,
): Pick<Condition, 'status' | 'reason' | 'message'> {
  const cold = images?.find((image) => image.state !== 'Warm');
  if (policy.spec.mode === 'DryRun') {
    return {
      status: 'False',
      reason: Reason.DryRun,
      message: 'mode is DryRun: decisions are recorded, nothing is warmed',
    };
  }
  if (images === undefined || images.length === 0) {
    return { status: 'False', reason: Reason.NotWarmed, message: 'no scale-out has come near yet' };
  }
  if (cold === undefined) {
    return {
      status: 'True',
      reason: Reason.Warm,
      message: `${images.length} images were read back from the seed peers`,
    };
  }
  if (verdict.kind === 'failed') {
    return { status: 'False', reason: verdict.error.reason, message: verdict.error.message };
  }
  return verdict.kind === 'warming'
    ? { status: 'False', reason: Reason.Warming, message: verdict.message }
    : {
        status: 'False',
        reason: reasonOfLost(cold),
        message: `${cold.image}: ${cold.message ?? 'not in the seed peers any more'}`,
      };
}
