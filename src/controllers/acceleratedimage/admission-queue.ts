import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { REGISTRY_ANNOTATION, REPLICATION_LABEL } from '../../api/v1alpha1/labels.ts';
import type { Job } from '../../kube/resources.ts';
import { parseReference } from '../../registry/reference.ts';

export interface Caps {
  maxConcurrent: number;
  maxConcurrentPerRegistry: number;
}

/** A free place now, or how many conversions stand before this one, plus one. */
export type Place = { free: true } | { free: false; position: number };

/**
 * Whether a conversion may start: Jobs are capped for the cluster and per registry that is read, and first come is first
 * served among the objects whose status says Queued.
 */
export function placeInQueue(
  image: AcceleratedImage,
  jobs: readonly Job[],
  images: readonly AcceleratedImage[],
  caps: Caps,
): Place {
  const registry = registryOf(image);
  const running = jobs.filter((job) => !isFinished(job));
  const ahead = images.filter((other) => isQueued(other) && comesBefore(other, image));
  const places = caps.maxConcurrent - running.length;
  const placesAtRegistry =
    caps.maxConcurrentPerRegistry -
    running.filter((job) => job.metadata?.annotations?.[REGISTRY_ANNOTATION] === registry).length;
  const aheadAtRegistry = ahead.filter((other) => registryOf(other) === registry);
  return ahead.length < places && aheadAtRegistry.length < placesAtRegistry
    ? { free: true }
    : { free: false, position: ahead.length + 1 };
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

export function isQueued(image: AcceleratedImage): boolean {
  return image.status?.conversion?.phase === 'Queued';
}

/** Whether a copy for a region waits for a place. */
export function hasQueuedCopy(image: AcceleratedImage): boolean {
  return image.status?.replicas?.some(({ state }) => state === 'Pending') === true;
}

function registryOf(image: AcceleratedImage): string {
  return parseReference(image.spec.source.image).registry;
}

function comesBefore(a: AcceleratedImage, b: AcceleratedImage): boolean {
  if (a.metadata.uid === b.metadata.uid) {
    return false;
  }
  const byAge = a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp);
  return byAge === 0 ? a.metadata.uid < b.metadata.uid : byAge < 0;
}
