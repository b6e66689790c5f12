import { isDeepStrictEqual } from 'node:util';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { candidateOf } from '../../rewriting/candidates.ts';
import type { RewriteIndex } from '../../rewriting/index.ts';
import { readPod } from '../../rewriting/pod.ts';
import type { Key } from '../../runtime/object.ts';
import type { Change } from '../../runtime/store.ts';

/**
 * The tables that a change of an AcceleratedImage concerns: its namespace's, and, when other images are its own now, the one
 * of the operator's namespace, which leaves these to it.
 */
export function tablesForImage(change: Change<AcceleratedImage>, operatorNamespace: string): readonly Key[] {
  const { namespace } = change.object.metadata;
  const same =
    change.type === 'updated' && isDeepStrictEqual(candidateOf(change.old)?.keys, candidateOf(change.object)?.keys);
  return same || namespace === operatorNamespace ? [namespace] : [namespace, operatorNamespace];
}

/** The namespaces that may have a table. */
export function tablesOf(index: RewriteIndex): ReadonlySet<Key> {
  return new Set([...index.candidates()].map(({ namespace }) => namespace));
}

/**
 * Tells whether the nodes or the RuntimeClass changed in a way that may change a table: most changes of nodes do not, and a
 * table for each namespace is much to look at.
 */
export function clusterChanges(index: RewriteIndex): () => boolean {
  let before: unknown;
  return () => {
    const landings = [{}, { tolerations: [{ operator: 'Exists' }] }].map((spec) => {
      const { usable, platforms, region, incapable } = index.landing(readPod({ spec }).constraints);
      return { usable: usable > 0, platforms, region, incapable: incapable !== undefined };
    });
    const after = { landings, runtimeClass: index.runtimeClass };
    const changed = !isDeepStrictEqual(before, after);
    before = after;
    return changed;
  };
}
