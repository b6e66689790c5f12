import type { KubeObject } from '../runtime/object.ts';
import type { Change } from '../runtime/store.ts';

/**
 * Whether a change is one of the spec (controller-runtime GenerationChangedPredicate). A controller's own status writes
 * must not wake it: it would not keep the pause that it just decided on.
 */
export function generationChanged(change: Change<KubeObject>): boolean {
  return change.type !== 'updated' || change.old.metadata.generation !== change.object.metadata.generation;
}
