import type { Pod } from '../kube/resources.ts';
import { lastOf, notBefore, recorded, seenAt, type Instant } from './instant.ts';
import type { Pull } from './pulls.ts';

/** What happens to a Pod on its way, in this order. */
export const POD_MOMENTS = ['created', 'scheduled', 'pulled', 'started', 'ready'] as const;
export type PodMoment = (typeof POD_MOMENTS)[number];

/** The way of one Pod. */
export interface PodTimes {
  readonly name: string;
  readonly uid: string;
  readonly node?: string;
  /** Its controller. */
  readonly owner?: { readonly kind: string; readonly name: string; readonly uid: string };
  /** When the API server says that it was created, in milliseconds since the epoch: whole seconds. */
  readonly createdMs: number;
  readonly created: Instant;
  readonly scheduled?: Instant;
  /** When its images were on the node. Only Events tell. */
  readonly pulled?: Instant;
  readonly pull?: Pull;
  /** When all its containers ran for the first time. */
  readonly started?: Instant;
  /** When it was Ready; the last time that it became so, unless it was seen. */
  readonly ready?: Instant;
  /** Whether it was deleted, or ended, since. */
  readonly gone: boolean;
}

/**
 * The times of a Pod as it is now. What is known already stays: a Pod that wavers was Ready when it first was.
 * @param before the same Pod as it was before, if it was looked at
 * @param now the time at which the change was seen to happen; undefined where the Pod was merely found so
 */
export function advance(before: PodTimes | undefined, pod: Pod, now: Date | undefined): PodTimes {
  const { metadata, spec, status } = pod;
  const found = (time: Instant | undefined): Instant | undefined =>
    time === undefined || now === undefined ? time : seenAt(now);
  const created = recorded(metadata.creationTimestamp) ?? { ms: 0, whole: true };
  const scheduled = before?.scheduled ?? found(transition(pod, 'PodScheduled'));
  const started = before?.started ?? found(startOf(pod));
  const ready = before?.ready ?? found(transition(pod, 'Ready'));
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    ...(spec?.nodeName === undefined ? {} : { node: spec.nodeName }),
    ...(owner === undefined ? {} : { owner: { kind: owner.kind, name: owner.name, uid: owner.uid } }),
    createdMs: created.ms,
    created: before?.created ?? (now === undefined ? created : seenAt(now)),
    ...(scheduled === undefined ? {} : { scheduled }),
    ...(started === undefined ? {} : { started }),
    ...(ready === undefined ? {} : { ready }),
    gone: metadata.deletionTimestamp !== undefined || status?.phase === 'Failed' || status?.phase === 'Succeeded',
  };
}

/** Adds what Events tell of a Pod. */
export function withPull(pod: PodTimes, pull: Pull | undefined): PodTimes {
  return pull === undefined ? pod : { ...pod, pulled: pull.at, pull };
}

/** Puts the times of a Pod that were rounded down behind those that they follow on. */
export function inOrder(pod: PodTimes, scaled: Instant | undefined): PodTimes {
  const times: Partial<Record<PodMoment, Instant>> = {};
  let earlier = scaled;
  for (const moment of POD_MOMENTS) {
    const instant = pod[moment];
    if (instant !== undefined) {
      earlier = notBefore(instant, earlier);
      times[moment] = earlier;
    }
  }
  return { ...pod, ...times };
}

/** When a condition of a Pod became True; undefined while it is not. */
function transition({ status }: Pod, condition: string): Instant | undefined {
  const found = status?.conditions?.find(({ type }) => type === condition);
  return found?.status === 'True' ? recorded(found.lastTransitionTime) : undefined;
}

/** When the last of a Pod's containers began to run; undefined until all have, or when one has been restarted since. */
function startOf({ spec, status }: Pod): Instant | undefined {
  const statuses = status?.containerStatuses ?? [];
  const starts = statuses.map(({ restartCount, state }) =>
    restartCount > 0 ? undefined : recorded(state?.running?.startedAt),
  );
  const all = statuses.length >= (spec?.containers.length ?? 1) && !starts.includes(undefined);
  return all ? lastOf(starts) : undefined;
}
