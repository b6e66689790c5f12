import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { REGISTRY_ANNOTATION } from '../../api/v1alpha1/labels.ts';
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

export function isFinished(job: Job): boolean {
  return (
    job.status?.conditions?.some((c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True') === true
  );
}

export function isQueued(image: AcceleratedImage): boolean {
  return image.status?.conversion?.phase === 'Queued';
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
