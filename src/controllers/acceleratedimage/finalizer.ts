import type { Logger } from 'pino';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { isNotFound } from '../../kube/errors.ts';
import { jobs } from '../../kube/resources.ts';
import type { Outcome } from '../../runtime/controller.ts';
import { isFinished } from './admission-queue.ts';
import { neededByOthers } from './other-users.ts';
import type { Dependencies } from './pass.ts';
import { removeTags, type Fate } from './remove-tags.ts';
import { hasFinalizer, setFinalizer } from './set-finalizer.ts';

/** Pods that are admitted while the deletion gets around are there after this time. */
const SETTLE_MS = 2000;
const RETRY_MS = 15_000;
/** A registry that does not answer holds up the deletion for so long, and no longer. */
const GIVE_UP_MS = 600_000;

interface FinalizerDependencies extends Dependencies {
  events: EventRecorder;
}

/**
 * Gives an object with `deletionPolicy: Delete` the finalizer, and takes it from every other.
 * @throws KubeError, a conflict among them, after which it is tried again.
 */
export async function keepFinalizer(image: AcceleratedImage, deps: Dependencies, signal: AbortSignal): Promise<void> {
  const wanted = image.spec.deletionPolicy === 'Delete';
  if (wanted !== hasFinalizer(image)) {
    await setFinalizer(deps.client, image, wanted, signal);
  }
}

/**
 * Sees an object off: ends its Jobs, removes the tags that it made unless a Pod runs what they name or another object needs it,
 * says what is left, and lets it go. What does not pass by itself holds nothing up, and nothing does for more than ten minutes.
 */
export async function finalize(
  image: AcceleratedImage,
  deps: FinalizerDependencies,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<Outcome | void> {
  if (!hasFinalizer(image)) {
    return;
  }
  if (image.spec.deletionPolicy === 'Delete') {
    const deletedAt = Date.parse(image.metadata.deletionTimestamp ?? '');
    const age = deps.clock.now().getTime() - deletedAt;
    if ((await endJobs(image, deps, signal)) || age < SETTLE_MS) {
      return { requeueAfter: SETTLE_MS };
    }
    try {
      const fates = await removeAll(image, new Date(deletedAt + SETTLE_MS - 1), deps, signal);
      if (age < GIVE_UP_MS && fates.some((fate) => fate.fate === 'left' && fate.passing)) {
        return { requeueAfter: RETRY_MS };
      }
      announce(image, fates, deps.events, log);
    } catch (error) {
      signal.throwIfAborted();
      if (age < GIVE_UP_MS) {
        throw error;
      }
      log.error({ err: error }, 'gave up removing the tags of an object that was deleted');
    }
  }
  await setFinalizer(deps.client, image, false, signal);
}

async function removeAll(
  image: AcceleratedImage,
  settled: Date,
  deps: Dependencies,
  signal: AbortSignal,
): Promise<Fate[]> {
  const history = image.status?.history?.filter(({ tags }) => tags !== undefined) ?? [];
  if (history.length === 0) {
    return [];
  }
  const needs = {
    running: await deps.running.list(settled, signal),
    others: neededByOthers(image, deps.images.list()),
  };
  const fates: Fate[] = [];
  for (const entry of history) {
    fates.push(...(await removeTags(image, entry, needs, deps, signal)));
  }
  return fates;
}

/** Deletes the Jobs that may still push. @returns whether there were any. */
async function endJobs({ metadata }: AcceleratedImage, deps: Dependencies, signal: AbortSignal): Promise<boolean> {
  const own = deps.jobs
    .listNamespace(metadata.namespace)
    .filter((job) => !isFinished(job) && job.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
  for (const job of own) {
    const ref = { namespace: metadata.namespace, name: job.metadata.name };
    await deps.client.delete(jobs, ref, { propagationPolicy: 'Background' }, signal).catch((error: unknown) => {
      if (!isNotFound(error)) {
        throw error;
      }
    });
  }
  return own.length > 0;
}

function announce(image: AcceleratedImage, fates: readonly Fate[], events: EventRecorder, log: Logger): void {
  const removed = fates.filter(({ fate }) => fate === 'removed').map(({ tag }) => tag);
  const left = fates.flatMap((fate) => (fate.fate === 'left' ? [fate] : []));
  if (removed.length > 0) {
    log.info({ tags: removed }, 'removed the tags of an object that was deleted');
    events.event(image, 'Normal', Reason.TagsRemoved, `removed ${removed.join(', ')}`);
  }
  const [first] = left;
  if (first !== undefined) {
    log.warn({ left }, 'left tags of an object that was deleted');
    events.event(image, 'Warning', Reason.TagsLeft, `${left.length} tags were left; ${first.message}`);
  }
}
