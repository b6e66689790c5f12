import type { AcceleratedImage, AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { READY } from '../../api/v1alpha1/conditions.ts';
import { CONVERSION_LABEL } from '../../api/v1alpha1/labels.ts';
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
import { isFinished, isQueued } from './admission-queue.ts';
import { startPass } from './pass.ts';
import type { Dependencies, StepResult } from './pass.ts';
import { STEPS } from './steps.ts';
import { summarise } from './summary.ts';
import type { Verdict } from './summary.ts';

export interface AcceleratedImageDependencies extends Dependencies {
  status: StatusWriter<AcceleratedImage, AcceleratedImageStatus>;
  events: EventRecorder;
}

/** Reconciles one AcceleratedImage: resolve, queue, convert, verify, follow. */
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
  if (image.metadata.deletionTimestamp !== undefined || image.spec.suspend) {
    return;
  }
  if (!deps.status.isFresh(image)) {
    return { requeueAfter: STALE_CACHE_MS };
  }
  let draft: AcceleratedImageStatus = image.status ?? {};
  let verdict: Verdict = { kind: 'done' };
  let afterMs = parseDuration(image.spec.source.interval);
  try {
    const pass = startPass(image, log, signal);
    draft = pass.status;
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
  const status = summarise(image, draft, verdict, deps.clock.now());
  await deps.status.write(image, status, signal);
  announce(image, status, deps.events);
  if (verdict.kind === 'failed' && verdict.error.kind === 'transient') {
    throw verdict.error;
  }
  return { requeueAfter: afterMs };
}

/** An Event for each change of Ready, with the same reason and message as the condition. */
function announce(image: AcceleratedImage, status: AcceleratedImageStatus, events: EventRecorder): void {
  const before = findCondition(image.status?.conditions ?? [], READY);
  const ready = findCondition(status.conditions ?? [], READY);
  if (ready !== undefined && ready.reason !== before?.reason) {
    const failed =
      ready.status === 'False' && status.conversion?.phase !== 'Running' && status.conversion?.phase !== 'Queued';
    events.event(image, failed ? 'Warning' : 'Normal', ready.reason, ready.message);
  }
}

/** The objects to look at again when a conversion Job changes: its owner, and those that wait for its place. */
export function keysForJob(job: Job, images: readonly AcceleratedImage[]): Key[] {
  const waiting = isFinished(job) ? images.filter(isQueued) : [];
  return [...ownersOf(job, images), ...waiting.map((image) => keyOf(image))];
}

/** The objects whose conversion a Pod works on. */
export function keysForPod(pod: Pod, images: readonly AcceleratedImage[]): Key[] {
  return ownersOf(pod, images);
}

function ownersOf({ metadata }: Job | Pod, images: readonly AcceleratedImage[]): Key[] {
  const name = metadata?.labels?.[CONVERSION_LABEL];
  return images
    .filter((image) => image.metadata.namespace === metadata?.namespace && image.status?.conversion?.hash === name)
    .map((image) => keyOf(image));
}
