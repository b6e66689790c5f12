import { ORIGINAL_IMAGES_ANNOTATION, REWRITE_ANNOTATION, RUNTIME_HANDLER_ANNOTATION } from '../api/v1alpha1/labels.ts';
import type { Decision } from './decide.ts';

/** Value of the annotation on a Pod of which at least one container was rewritten. */
export const REWRITTEN = 'rewritten';

/** What the API server takes of all annotations of an object, keys and values, in bytes (apimachinery, TotalAnnotationSizeLimitB). */
export const ANNOTATIONS_LIMIT = 256 * 1024;

/** The annotations that tell a Pod, and its node, what was decided. */
export function annotationsOf({ earlier, reason, rewrites, runtimeClass: set }: Decision): ReadonlyMap<string, string> {
  if (reason !== 'Rewritten') {
    // A container that was rewritten in an earlier round still is.
    return new Map([[REWRITE_ANNOTATION, earlier.size > 0 ? REWRITTEN : `skipped: ${reason}`]]);
  }
  const originals = new Map([
    ...earlier,
    ...rewrites.map(({ container }) => [container.name, container.image] as const),
  ]);
  return new Map([
    [REWRITE_ANNOTATION, REWRITTEN],
    [ORIGINAL_IMAGES_ANNOTATION, JSON.stringify(Object.fromEntries(originals))],
    ...(set === undefined ? [] : [[RUNTIME_HANDLER_ANNOTATION, set.handler] as const]),
  ]);
}

/** Whether the API server takes the Pod with these annotations: it would be refused because of them. */
export function fits(decision: Decision): boolean {
  let size = 0;
  for (const [key, value] of new Map([...decision.pod.annotations, ...annotationsOf(decision)])) {
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return size <= ANNOTATIONS_LIMIT;
}
