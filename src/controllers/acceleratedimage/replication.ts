import type { AcceleratedImage, AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { Condition } from '../../api/v1alpha1/meta.ts';

export type ReplicaStatus = NonNullable<AcceleratedImageStatus['replicas']>[number];

/** The copies that Pods may be rewritten to: verified, of the current artifact, of regions that the spec names. */
export function readyReplicas(
  { spec }: AcceleratedImage,
  { artifact, replicas }: AcceleratedImageStatus,
): ReplicaStatus[] {
  return (replicas ?? []).filter(
    ({ region, state, digest }) =>
      state === 'Ready' && digest === artifact?.digest && spec.replicas?.some((wanted) => wanted.region === region),
  );
}

/** How the copies stand, as the condition Replicated; undefined where none are wanted. */
export function replication(
  image: AcceleratedImage,
  draft: AcceleratedImageStatus,
): Pick<Condition, 'status' | 'reason' | 'message'> | undefined {
  const wanted = image.spec.replicas ?? [];
  if (wanted.length === 0) {
    return undefined;
  }
  const ready = new Set(readyReplicas(image, draft).map(({ region }) => region));
  if (ready.size === wanted.length) {
    return { status: 'True', reason: Reason.Replicated, message: `verified in ${[...ready].join(', ')}` };
  }
  const missing = wanted.filter(({ region }) => !ready.has(region)).map(({ region }) => region);
  const replicas = (draft.replicas ?? []).filter(({ region }) => missing.includes(region));
  const failed = replicas.filter(({ state }) => state === 'Failed');
  return failed.length > 0
    ? { status: 'False', reason: Reason.ReplicationFailed, message: failed.map(describe).join('; ') }
    : {
        status: 'False',
        reason: Reason.ReplicationPending,
        message: replicas.length > 0 ? replicas.map(describe).join('; ') : `no copy yet for ${missing.join(', ')}`,
      };
}

function describe({ region, state, reason, message }: ReplicaStatus): string {
  return `${region}: ${message ?? reason ?? state}`;
}
