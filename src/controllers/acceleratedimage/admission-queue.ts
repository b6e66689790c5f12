import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason, RECONCILING, STALLED } from '../../api/v1alpha1/conditions.ts';
import { REGISTRY_ANNOTATION, REPLICATION_LABEL } from '../../api/v1alpha1/labels.ts';
import type { Job } from '../../kube/resources.ts';
import { InvalidReferenceError, parseReference } from '../../registry/reference.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { fairOrder, served, type Caps, type Running, type Waiting } from './fair-queue.ts';

/** A free place now, or how many conversions stand before this one, plus one. */
export type Place = { free: true } | { free: false; position: number };

/**
 * Whether a conversion may start: Jobs are capped for the cluster and per registry that is read, and places are shared fairly
 * between namespaces. In a namespace comes first what was never converted, the oldest of it, and then what was converted longest
 * ago. What is pushed to a registry has no cap of its own: a Job that had to wait for two would wait for ever, or keep one idle.
 * @param jobs of conversions, also those that have ended: who was served last has to wait for the others
 */
export function placeInQueue(
  image: AcceleratedImage,
  jobs: readonly Job[],
  images: readonly AcceleratedImage[],
  caps: Caps,
): Place {
  const { uid } = image.metadata;
  const others = images.filter((other) => isQueued(other) && other.metadata.uid !== uid);
  const running = jobs.filter((job) => !isFinished(job)).map((job) => runningOf(job));
  const order = fairOrder(
    [image, ...others].map((each) => waitingOf(each)),
    running,
    lastServed(jobs),
  );
  return served(order, running, caps).some((each) => each.uid === uid)
    ? { free: true }
    : { free: false, position: order.findIndex((each) => each.uid === uid) + 1 };
}

/**
 * Whether a copy may start. Copies have as many places as conversions, and none in common with them: a registry far away
 * must not hold up conversions, nor these the copies.
 * @param registry that the copy goes to.
 * @param starting registries of copies whose Jobs are being made just now.
 */
export function hasRoomForCopy(
  registry: string,
  jobs: readonly Job[],
  starting: readonly string[],
  caps: Caps,
): boolean {
  const running = jobs
    .filter((job) => !isConversion(job) && !isFinished(job))
    .map((job) => job.metadata?.annotations?.[REGISTRY_ANNOTATION]);
  const all = [...running, ...starting];
  return (
    all.length < caps.maxConcurrent && all.filter((other) => other === registry).length < caps.maxConcurrentPerRegistry
  );
}

/** Whether a Job of ours is a conversion, and not a copy for a region. */
export function isConversion(job: Job): boolean {
  return job.metadata?.labels?.[REPLICATION_LABEL] === undefined;
}

export function isFinished(job: Job): boolean {
  return (
    job.status?.conditions?.some((c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True') === true
  );
}

/**
 * Whether a conversion stands in line. One that could not begin if it were its turn does not, such as while its registry does
 * not answer: it would keep a place from those who could.
 */
export function isQueued({ metadata, spec, status }: AcceleratedImage): boolean {
  const reasons = [RECONCILING, STALLED].map((type) => findCondition(status?.conditions ?? [], type)?.reason);
  return (
    status?.conversion?.phase === 'Queued' &&
    !spec.suspend &&
    metadata.deletionTimestamp === undefined &&
    reasons.every((reason) => reason === undefined || reason === Reason.Queued)
  );
}

/** Whether a copy for a region waits for a place. */
export function hasQueuedCopy(image: AcceleratedImage): boolean {
  return image.status?.replicas?.some(({ state }) => state === 'Pending') === true;
}

function runningOf({ metadata }: Job): Running {
  return { namespace: metadata.namespace ?? '', registry: metadata.annotations?.[REGISTRY_ANNOTATION] ?? '' };
}

function waitingOf({ metadata, spec, status }: AcceleratedImage): Waiting & { uid: string } {
  const { namespace, uid, creationTimestamp } = metadata;
  return {
    uid,
    namespace,
    registry: registryOf(spec.source.image),
    turn: `${status?.artifact?.convertedAt ?? ''} ${creationTimestamp} ${uid}`,
  };
}

/** Empty for what is no reference any more, and leaves the line when it is looked at. */
function registryOf(image: string): string {
  try {
    return parseReference(image).registry;
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      return '';
    }
    throw error;
  }
}

/** When the newest Job of each namespace was made; one that is not made yet is newer than all. */
function lastServed(jobs: readonly Job[]): (namespace: string) => string {
  const times = new Map<string, string>();
  for (const { metadata } of jobs) {
    const namespace = metadata.namespace ?? '';
    const at = metadata.creationTimestamp ?? '9';
    if (at > (times.get(namespace) ?? '')) {
      times.set(namespace, at);
    }
  }
  return (namespace) => times.get(namespace) ?? '';
}
