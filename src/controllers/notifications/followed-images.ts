import type { AcceleratedImageSpec } from '../../api/v1alpha1/acceleratedimage.ts';
import { formatReference, InvalidReferenceError } from '../../registry/reference.ts';
import { targetReference } from '../acceleratedimage/identity.ts';

/**
 * The images of which a push is news for an object: its source, and in the mode Adopt the Nydus image beside it, which the build
 * pushes a moment before or after.
 */
export function followedImages(spec: AcceleratedImageSpec): string[] {
  const { image } = spec.source;
  if (spec.conversion.mode !== 'Adopt') {
    return [image];
  }
  try {
    return [...new Set([image, formatReference(targetReference(spec))])];
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      return [image];
    }
    throw error;
  }
}
