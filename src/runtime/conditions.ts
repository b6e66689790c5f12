import type { Condition } from '../api/v1alpha1/meta.ts';

/** What metav1.Condition allows in a message. */
const LONGEST_MESSAGE = 32768;

/** The condition of `type`, if it is there. */
export function findCondition(conditions: readonly Condition[], type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

/** `conditions` without `type`. */
export function removeCondition(conditions: readonly Condition[], type: string): Condition[] {
  return conditions.filter((condition) => condition.type !== type);
}

/**
 * `conditions` with this one set, sorted by type, so that equal conditions are written alike. The message is trimmed and
 * cut to what the API takes. lastTransitionTime, in whole seconds as metav1.Time, moves only when the status changes
 * (KEP-1623); observedGeneration becomes `generation` each time.
 */
export function setCondition(
  conditions: readonly Condition[],
  { type, status, reason, message }: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>,
  { generation, now }: { generation: number; now: Date },
): Condition[] {
  const old = findCondition(conditions, type);
  const lastTransitionTime =
    old?.status === status ? old.lastTransitionTime : now.toISOString().replace(/\.\d+Z$/, 'Z');
  const condition: Condition = {
    type,
    status,
    reason,
    message: message.trim().slice(0, LONGEST_MESSAGE),
    lastTransitionTime,
    observedGeneration: generation,
  };
  return [...removeCondition(conditions, type), condition].toSorted((a, b) => (a.type < b.type ? -1 : 1));
}
