import { ORIGINAL_IMAGES_ANNOTATION, REWRITE_ANNOTATION, RUNTIME_HANDLER_ANNOTATION } from '../api/v1alpha1/labels.ts';
import type { Decision } from './decide.ts';

/** Value of the annotation on a Pod of which at least one container was rewritten. */
export const REWRITTEN = 'rewritten';

/** What the API server takes of all annotations of an object, keys and values, in bytes (apimachinery, TotalAnnotationSizeLimitB). */
export const ANNOTATIONS_LIMIT = 256 * 1024;

/** What becomes of annotations: the value, or undefined where there must be none. */
export type Wanted = ReadonlyMap<string, string | undefined>;

/**
 * The annotations that tell a Pod, and its node, what was decided. What a Pod says about itself already is made true, or taken
 * out; one that says nothing and that no AcceleratedImage names is not told anything.
 */
export function annotationsOf({ pod, earlier, named, reason, rewrites, runtimeClass: set }: Decision): Wanted {
  if (!named && !pod.annotations.has(REWRITE_ANNOTATION) && !pod.annotations.has(ORIGINAL_IMAGES_ANNOTATION)) {
    return new Map();
  }
  // A container that was rewritten in an earlier round still is.
  const recorded = new Map([...earlier, ...rewrites.map(({ container: { name, image } }) => [name, image] as const)]);
  // In the order of the Pod, so that the same Pod always gets the same text.
  const originals = new Map(
    pod.containers.flatMap(({ name }) => {
      const original = recorded.get(name);
      return original === undefined ? [] : [[name, original] as const];
    }),
  );
  if (originals.size === 0) {
    return new Map([
      [REWRITE_ANNOTATION, named ? `skipped: ${reason}` : undefined],
      [ORIGINAL_IMAGES_ANNOTATION, undefined],
    ]);
  }
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
    size += value === undefined ? 0 : Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return size <= ANNOTATIONS_LIMIT;
}
