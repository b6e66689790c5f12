import { HOLD_GATE, HOLD_LABEL } from '../api/v1alpha1/labels.ts';
import type { Pod } from '../kube/resources.ts';
import { fieldsOf, isObject, itemsOf } from '../rewriting/json.ts';
import type { Operation } from '../rewriting/patch.ts';

/** RFC 6902 §4.6. */
export interface Test {
  readonly op: 'test';
  readonly path: string;
  readonly value: unknown;
}

const LABEL_PATH = `/metadata/labels/${HOLD_LABEL.replaceAll('/', '~1')}`;

/**
 * What has a new Pod wait. Nothing for one that has the gate already, as in a further round of its admission, and for one
 * without labels: it belongs to no workload.
 */
export function holdOperations(pod: unknown, maxDuration: string): readonly Operation[] {
  const { schedulingGates } = fieldsOf(fieldsOf(pod)['spec']);
  const gated = itemsOf(schedulingGates).some((gate) => fieldsOf(gate)['name'] === HOLD_GATE);
  if (gated || !isObject(fieldsOf(fieldsOf(pod)['metadata'])['labels'])) {
    return [];
  }
  const gate = { name: HOLD_GATE };
  return [
    { op: 'add', path: LABEL_PATH, value: maxDuration },
    Array.isArray(schedulingGates)
      ? { op: 'add', path: '/spec/schedulingGates/-', value: gate }
      : { op: 'add', path: '/spec/schedulingGates', value: [gate] },
  ];
}

/**
 * What takes our gate, and only that, from this very Pod as it was seen; the API server refuses it for any other, and where
 * the gate has gone or moved. Empty for a Pod without our gate.
 */
export function releaseOperations({ metadata, spec }: Pod): readonly (Operation | Test)[] {
  const index = spec?.schedulingGates?.findIndex(({ name }) => name === HOLD_GATE) ?? -1;
  if (index === -1) {
    return [];
  }
  const path = `/spec/schedulingGates/${index}`;
  return [
    { op: 'test', path: '/metadata/uid', value: metadata.uid },
    { op: 'test', path: `${path}/name`, value: HOLD_GATE },
    { op: 'remove', path },
    ...(metadata.labels?.[HOLD_LABEL] === undefined ? [] : [{ op: 'remove', path: LABEL_PATH } as const]),
  ];
}
