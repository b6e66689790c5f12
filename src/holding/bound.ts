import { durationMs } from '../api/v1alpha1/duration.ts';
import { HOLD_GATE, HOLD_LABEL, LONGEST_HOLD_MS } from '../api/v1alpha1/labels.ts';
import type { Pod } from '../kube/resources.ts';

/** Whether a Pod waits at our gate. One that is being deleted waits for nothing. */
export function isHeld({ metadata, spec }: Pod): boolean {
  return (
    metadata.deletionTimestamp === undefined && spec?.schedulingGates?.some(({ name }) => name === HOLD_GATE) === true
  );
}

/** Milliseconds that a Pod waits at most: what its label says, never longer than a policy could say, and 0 without one. */
export function longestHoldMs({ metadata }: Pod): number {
  const ms = durationMs(metadata.labels?.[HOLD_LABEL] ?? '') ?? 0;
  return Math.min(ms, LONGEST_HOLD_MS);
}

/** When somebody first saw a Pod, by a clock that never jumps, and what that clock says now, in milliseconds. */
export interface Sighting {
  readonly seen: number;
  readonly monotonic: number;
}

/**
 * Milliseconds until a Pod has waited as long as it may; 0 or less when it has. Counted from its creation as the API server has
 * it, and from when it was first seen, whichever is over first: a clock that is behind makes no Pod wait longer. The API server
 * rounds the time of creation down.
 * @param roundingMs added to that time: 0 to be early by up to a second, 1000 never to be
 */
export function remainingMs(pod: Pod, { seen, monotonic }: Sighting, now: Date, roundingMs: 0 | 1000): number {
  const longest = longestHoldMs(pod);
  const created = Date.parse(pod.metadata.creationTimestamp ?? '');
  const sinceSeen = monotonic - seen;
  const sinceCreated = Number.isNaN(created) ? sinceSeen : now.getTime() - created - roundingMs;
  return longest - Math.max(sinceSeen, sinceCreated);
}
