import type { ReplicaSet } from '../kube/resources.ts';
import { recorded } from './instant.ts';
import type { PodTimes } from './pods.ts';

/** How long after a scale-out a new Pod is taken for one of it. */
export const SCALE_OUT_MS = 600_000;

/**
 * The time of the scale-out and of a Pod's creation are whole seconds of two clocks: one that is a few milliseconds behind
 * may have written the second before.
 */
const CLOCKS_MS = 1000;

/** Which Pods a scale-out may have made. */
export interface Window {
  /** When the autoscaler scaled, in milliseconds since the epoch. */
  readonly fromMs: number;
  /** When it scaled the next time. */
  readonly untilMs?: number | undefined;
  /** Replicas before the scale-out. */
  readonly from?: number | undefined;
  /** Replicas after it, or more. */
  readonly to?: number | undefined;
}

/** What is scaled. */
export interface Workload {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  /** StatefulSet: number of its first Pod. */
  readonly firstOrdinal?: number | undefined;
}

/** A ReplicaSet of a Deployment. */
export interface ReplicaSetFacts {
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  /** uid of its controller. */
  readonly owner?: string | undefined;
}

/** ReplicaSets by uid. Missing: not there any more, and its Pods neither. Forbidden: taken to be older than the scale-out. */
export type ReplicaSets = ReadonlyMap<string, ReplicaSetFacts | 'Missing' | 'Forbidden'>;

/**
 * The Pods that a scale-out made, first created first. Those of a ReplicaSet that is younger than the scale-out are a
 * rollout's, and so are the Pods of a StatefulSet that were there before under the same name.
 */
export function membersOf(
  pods: readonly PodTimes[],
  window: Window,
  workload: Workload,
  replicaSets: ReplicaSets,
): readonly PodTimes[] {
  const members = pods
    .filter((pod) => isWithin(pod.createdMs, window) && isScaled(pod, window, workload, replicaSets))
    .toSorted((a, b) => a.created.ms - b.created.ms || (a.name < b.name ? -1 : 1));
  // More than that replace others that were deleted meanwhile.
  const most = window.from === undefined || window.to === undefined ? members.length : window.to - window.from;
  const alive = members.filter(({ gone }) => !gone).slice(0, Math.max(0, most));
  const last = alive.at(-1);
  return alive.length < most || last === undefined ? members : members.slice(0, members.indexOf(last) + 1);
}

/** What matters of a ReplicaSet. */
export function replicaSetFacts({ metadata }: ReplicaSet): ReplicaSetFacts {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid;
  return { createdMs: recorded(metadata.creationTimestamp)?.ms ?? 0, owner };
}

/** The earliest time of creation that a Pod of a scale-out may have, in milliseconds since the epoch. */
export function firstCreation(fromMs: number): number {
  return Math.floor(fromMs / 1000) * 1000 - CLOCKS_MS;
}

function isWithin(ms: number, { fromMs, untilMs = Number.POSITIVE_INFINITY }: Window): boolean {
  return ms >= firstCreation(fromMs) && ms < Math.min(firstCreation(untilMs), fromMs + SCALE_OUT_MS);
}

function isScaled(
  { name, owner }: PodTimes,
  { fromMs, from }: Window,
  workload: Workload,
  replicaSets: ReplicaSets,
): boolean {
  if (workload.kind !== 'Deployment') {
    return (
      owner?.uid === workload.uid &&
      (workload.kind !== 'StatefulSet' || ordinalOf(name) >= (workload.firstOrdinal ?? 0) + (from ?? 0))
    );
  }
  const replicaSet = replicaSets.get(owner?.uid ?? '') ?? 'Missing';
  return typeof replicaSet === 'string'
    ? replicaSet === 'Forbidden'
    : replicaSet.owner === workload.uid && replicaSet.createdMs <= fromMs;
}

/** The number at the end of the name of a StatefulSet's Pod. */
function ordinalOf(name: string): number {
  return Number(name.slice(name.lastIndexOf('-') + 1));
}
