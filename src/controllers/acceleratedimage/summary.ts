import type { AcceleratedImage, AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import {
  AcceleratedImageReason as Reason,
  READY,
  RECONCILING,
  REPLICATED,
  STALLED,
  WITHIN_BUDGET,
} from '../../api/v1alpha1/conditions.ts';
import type { Condition } from '../../api/v1alpha1/meta.ts';
import { removeCondition, setCondition } from '../../runtime/conditions.ts';
import { formatBytes } from '../../api/v1alpha1/bytes.ts';
import type { ReconcileError } from '../reconcile-error.ts';
import { withinBudget } from './budget.ts';
import { readyReplicas, replication } from './replication.ts';

/** What a pass over an object came to: done, still going on, or an error. */
export type Verdict =
  | { kind: 'done' }
  | { kind: 'reconciling'; reason: Reason; message: string }
  | { kind: 'failed'; error: ReconcileError };

/**
 * The one place that turns a pass into conditions, the printer columns and observedGeneration. An artifact that is
 * verified stays Ready while a newer source is being converted or its registry does not answer: Pods go on using it.
 */
export function summarise(
  image: AcceleratedImage,
  draft: AcceleratedImageStatus,
  verdict: Verdict,
  now: Date,
): AcceleratedImageStatus {
  const generation = image.metadata.generation;
  let conditions: Condition[] = [...(draft.conditions ?? [])];
  const set = (type: string, status: Condition['status'], reason: string, message: string): void => {
    conditions = setCondition(conditions, { type, status, reason, message }, { generation, now });
  };
  const usable = draft.artifact !== undefined && isCurrent(draft);
  const work = verdict.kind === 'failed' ? { reason: verdict.error.reason, message: verdict.error.message } : verdict;
  conditions = removeCondition(removeCondition(conditions, RECONCILING), STALLED);
  if (verdict.kind === 'done' || (usable && verdict.kind === 'reconciling')) {
    set(READY, 'True', Reason.Ready, `${draft.artifact?.image} is verified`);
  } else if (usable && verdict.kind === 'failed' && verdict.error.kind !== 'stalled') {
    set(
      READY,
      'True',
      Reason.Ready,
      `${draft.artifact?.image} is verified; the source could not be checked again: ${verdict.error.message}`,
    );
  } else if ('reason' in work) {
    set(READY, 'False', work.reason, work.message);
  }
  if ('reason' in work) {
    set(
      verdict.kind === 'failed' && verdict.error.kind === 'stalled' ? STALLED : RECONCILING,
      'True',
      work.reason,
      work.message,
    );
  }
  const replicated = replication(image, draft);
  if (replicated === undefined) {
    conditions = removeCondition(conditions, REPLICATED);
  } else {
    set(REPLICATED, replicated.status, replicated.reason, replicated.message);
  }
  const budgeted = withinBudget(image, draft);
  if (budgeted === undefined) {
    conditions = removeCondition(conditions, WITHIN_BUDGET);
  } else {
    set(WITHIN_BUDGET, budgeted.status, budgeted.reason, budgeted.message);
  }
  return {
    ...draft,
    conditions,
    summary: columns(image, draft),
    ...(verdict.kind === 'reconciling' ? {} : { observedGeneration: generation }),
  };
}

/** Whether the artifact was made from the source as it was last resolved. */
function isCurrent({ artifact, source }: AcceleratedImageStatus): boolean {
  return artifact !== undefined && artifact.sourceDigest === source?.digest;
}

function columns(
  image: AcceleratedImage,
  draft: AcceleratedImageStatus,
): NonNullable<AcceleratedImageStatus['summary']> {
  const { source, artifact, conversion } = draft;
  const sizeOf = (platforms: readonly { size: number }[] | undefined): string | undefined =>
    platforms === undefined ? undefined : formatBytes(platforms.reduce((sum, { size }) => sum + size, 0));
  const size = sizeOf(source?.platforms);
  const nydus = sizeOf(artifact?.platforms);
  const ratio = conversion?.dedupRatio;
  const took = conversion?.timings?.total;
  const regions = image.spec.replicas?.length ?? 0;
  return {
    ...(size === undefined ? {} : { size }),
    ...(nydus === undefined ? {} : { nydus }),
    ...(ratio === undefined ? {} : { dedup: `${Math.round(Number(ratio) * 100)}%` }),
    ...(took === undefined ? {} : { took }),
    ...(regions === 0 ? {} : { copies: `${readyReplicas(image, draft).length}/${regions}` }),
  };
}
