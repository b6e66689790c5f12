import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { CLEANUP_FINALIZER } from '../../api/v1alpha1/labels.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { acceleratedImages } from '../../kube/resources.ts';

/** Whether an object waits, when it is deleted, until its tags have been seen to. */
export function hasFinalizer({ metadata }: AcceleratedImage): boolean {
  return metadata.finalizers?.includes(CLEANUP_FINALIZER) === true;
}

/**
 * Gives an object our finalizer or takes it away. With the resourceVersion: the finalizers of others are not lost.
 * @throws KubeError, a conflict when the object has changed since; none when it has gone
 */
export async function setFinalizer(
  client: Pick<KubeClient, 'patch'>,
  { metadata }: AcceleratedImage,
  wanted: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, resourceVersion, finalizers = [] } = metadata;
  const others = finalizers.filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
  const body = { metadata: { resourceVersion, finalizers: wanted ? [...others, CLEANUP_FINALIZER] : others } };
  const type = 'application/merge-patch+json';
  await client.patch(acceleratedImages, { namespace, name }, body, type, {}, signal).catch((error: unknown) => {
    if (!isNotFound(error)) {
      throw error;
    }
  });
}
