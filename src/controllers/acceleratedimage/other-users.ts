import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { formatReference, InvalidReferenceError, parseReference } from '../../registry/reference.ts';
import { targetReference } from './identity.ts';

/**
 * What the other AcceleratedImages of the cluster need of the registries: tags as `repository:tag`, artifacts as
 * `repository@digest`. Those that are being deleted need nothing.
 */
export function neededByOthers(image: AcceleratedImage, images: readonly AcceleratedImage[]): ReadonlySet<string> {
  return new Set(
    images
      .filter(({ metadata }) => metadata.uid !== image.metadata.uid && metadata.deletionTimestamp === undefined)
      .flatMap((other) => needs(other).flatMap(namesOf)),
  );
}

function needs({ spec, status }: AcceleratedImage): string[] {
  const { artifact, history = [], replicas = [] } = status ?? {};
  return [
    target(spec),
    spec.source.image,
    spec.conversion.chunkDictionary?.image ?? '',
    artifact?.image ?? '',
    ...history.flatMap(({ image, tags = [] }) => [image, ...tags]),
    ...replicas.map(({ image }) => image),
  ];
}

function target(spec: AcceleratedImage['spec']): string {
  try {
    return formatReference(targetReference(spec));
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      return '';
    }
    throw error;
  }
}

/** The tag and the artifact that a reference names. A spec may hold what is none. */
function namesOf(text: string): string[] {
  try {
    const { tag, digest, ...place } = parseReference(text);
    return [
      ...(tag === undefined ? [] : [formatReference({ ...place, tag })]),
      ...(digest === undefined ? [] : [formatReference({ ...place, digest })]),
    ];
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      return [];
    }
    throw error;
  }
}
