import type { AcceleratedImage, AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import {
  AcceleratedImageReason as Reason,
  CLEANUP_FAILED,
  READY,
  REPLICATED,
  WITHIN_BUDGET,
} from '../../api/v1alpha1/conditions.ts';
import { CONVERSION_LABEL, REPLICATION_LABEL } from '../../api/v1alpha1/labels.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { Job, Pod } from '../../kube/resources.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Outcome, ReconcileContext } from '../../runtime/controller.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Key } from '../../runtime/object.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError } from '../reconcile-error.ts';
import { STALE_CACHE_MS } from '../status-writer.ts';
import type { StatusWriter } from '../status-writer.ts';
import { hasQueuedCopy, isFinished, isQueued } from './admission-queue.ts';
import { cleanHistory } from './cleanup.ts';
import { finalize, keepFinalizer } from './finalizer.ts';
import { startPass } from './pass.ts';
import type { Dependencies, Pass, StepResult } from './pass.ts';
import { hashOf } from './replica-identity.ts';
import { reconcileReplicas } from './replicas.ts';
import { STEPS } from './steps.ts';
import { summarise } from './summary.ts';
import type { Verdict } from './summary.ts';

export interface AcceleratedImageDependencies extends Dependencies {
  status: StatusWriter<AcceleratedImage, AcceleratedImageStatus>;
  events: EventRecorder;
}

/** Reconciles one AcceleratedImage: resolve, queue, convert, verify, copy to its regions, follow. */
export async function reconcileAcceleratedImage(
  key: Key,
  deps: AcceleratedImageDependencies,
  { log, signal }: ReconcileContext,
): Promise<Outcome | void> {
  const image = deps.images.get(key);
  if (image === undefined) {
    deps.status.forget(key);
    return;
  }
  if (image.metadata.deletionTimestamp !== undefined) {
    return await finalize(image, deps, { log, signal });
  }
  await keepFinalizer(image, deps, signal);
  if (image.spec.suspend) {
    return;
  }
  if (!deps.status.isFresh(image)) {
    return { requeueAfter: STALE_CACHE_MS };
  }
  let pass: Pass | undefined;
  let verdict: Verdict = { kind: 'done' };
  let afterMs = parseDuration(image.spec.source.interval);
  try {
    pass = startPass(image, log, signal);
    for (const step of STEPS) {
      const result: StepResult = await step(pass, deps);
      if (result.next === 'wait') {
        verdict = { kind: 'reconciling', reason: result.reason, message: result.message };
        afterMs = result.afterMs;
        break;
      }
    }
  } catch (error) {
    if (!(error instanceof ReconcileError)) {
      throw error;
    }
    verdict = { kind: 'failed', error };
    afterMs = error.afterMs ?? afterMs;
  }
  if (pass !== undefined) {
    // Whatever becomes of the copies, and of the registries that they are in, the object is as Ready as its artifact.
    afterMs = Math.min(afterMs, await reconcileReplicas(pass, deps), await cleanHistory(pass, deps));
  }
  const status = summarise(image, pass?.status ?? image.status ?? {}, verdict, deps.clock.now());
  await deps.status.write(image, status, signal);
  announce(image, status, deps.events);
  if (verdict.kind === 'failed' && verdict.error.kind === 'transient') {
    throw verdict.error;
  }
  return { requeueAfter: afterMs };
}

/** An Event for each change of Ready, of Replicated and of CleanupFailed, and for a budget that is exceeded, as the condition has it. */
function announce(image: AcceleratedImage, status: AcceleratedImageStatus, events: EventRecorder): void {
  const before = findCondition(image.status?.conditions ?? [], READY);
  const ready = findCondition(status.conditions ?? [], READY);
  if (ready !== undefined && ready.reason !== before?.reason) {
    const failed =
      ready.status === 'False' && status.conversion?.phase !== 'Running' && status.conversion?.phase !== 'Queued';
    events.event(image, failed ? 'Warning' : 'Normal', ready.reason, ready.message);
  }
  const copied = findCondition(image.status?.conditions ?? [], REPLICATED);
  const replicated = findCondition(status.conditions ?? [], REPLICATED);
  if (replicated !== undefined && replicated.reason !== copied?.reason) {
    const type = replicated.reason === Reason.ReplicationFailed ? 'Warning' : 'Normal';
    events.event(image, type, replicated.reason, replicated.message);
  }
  const held = findCondition(image.status?.conditions ?? [], WITHIN_BUDGET);
  const budgeted = findCondition(status.conditions ?? [], WITHIN_BUDGET);
  if (budgeted?.status === 'False' && budgeted.reason !== held?.reason) {
    events.event(image, 'Warning', budgeted.reason, budgeted.message);
  }
  const uncleaned = findCondition(image.status?.conditions ?? [], CLEANUP_FAILED);
  const cleanup = findCondition(status.conditions ?? [], CLEANUP_FAILED);
  if (cleanup !== undefined && cleanup.reason !== uncleaned?.reason) {
    events.event(image, 'Warning', cleanup.reason, cleanup.message);
  }
}

/** The objects to look at again when a Job changes: its owner, and those that wait for its place. */
export function keysForJob(job: Job, images: readonly AcceleratedImage[]): Key[] {
  const waiting = isFinished(job) ? images.filter((image) => isQueued(image) || hasQueuedCopy(image)) : [];
  return [...ownersOf(job, images), ...waiting.map((image) => keyOf(image))];
}

/** The objects whose conversion or copy a Pod works on. */
export function keysForPod(pod: Pod, images: readonly AcceleratedImage[]): Key[] {
  return ownersOf(pod, images);
}

function ownersOf({ metadata }: Job | Pod, images: readonly AcceleratedImage[]): Key[] {
  const conversion = metadata?.labels?.[CONVERSION_LABEL];
  const copy = metadata?.labels?.[REPLICATION_LABEL];
  const isOf = ({ conversion: own, replicas = [] }: AcceleratedImageStatus): boolean =>
    copy === undefined ? own?.hash === conversion : replicas.some(({ hash }) => hash === hashOf(copy));
  return images
    .filter((image) => image.metadata.namespace === metadata?.namespace && isOf(image.status ?? {}))
    .map((image) => keyOf(image));
}
