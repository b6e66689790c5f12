import { quantile } from '../autoscaling/quantile.ts';
import { firstOf, lastOf, secondsBetween } from './instant.ts';
import type { PodTimes } from './pods.ts';
import type { Timeline } from './timeline.ts';

/** How long the parts of a scale-out took, in seconds. What is not known, or has not come yet, is missing. */
export interface Phases {
  /** From the decision to the first new Pod: what there was to warm in. */
  readonly decisionLead?: number;
  readonly decisionToWarmStarted?: number;
  /** From warm started to warm verified. */
  readonly warm?: number;
  /** From warm verified to the first new Pod: negative if that came first. */
  readonly lead?: number;
  readonly scaledToFirstPodCreated?: number;
  readonly scaledToFirstPodReady?: number;
  /** Only when as many Pods as were added are Ready. */
  readonly scaledToAllReady?: number;
  /** Half of its Pods took at most this long from created to Ready. */
  readonly podReadyP50?: number;
}

/** What one Pod took, in seconds. */
export interface PodPhases {
  readonly scaledToCreated?: number;
  readonly createdToStarted?: number;
  readonly createdToReady?: number;
}

/** Measures a scale-out. */
export function phasesOf(timeline: Timeline): Phases {
  const { decided, warmStarted, warmVerified, scaled, pods } = timeline;
  const created = firstOf(pods.map((pod) => pod.created));
  const readyTimes = pods.map(({ ready }) => ready);
  const warm = secondsBetween(warmStarted, warmVerified);
  return known({
    decisionLead: secondsBetween(decided, created),
    decisionToWarmStarted: secondsBetween(decided, warmStarted),
    // A decision keeps its first verification: images that were evicted since are warmed again, later than that.
    warm: warm === undefined || warm < 0 ? undefined : warm,
    lead: secondsBetween(warmVerified, created),
    scaledToFirstPodCreated: secondsBetween(scaled, created),
    scaledToFirstPodReady: secondsBetween(scaled, firstOf(readyTimes)),
    scaledToAllReady: isComplete(timeline) ? secondsBetween(scaled, lastOf(readyTimes)) : undefined,
    podReadyP50: quantile(
      pods.flatMap(({ created: from, ready }) => secondsBetween(from, ready) ?? []),
      0.5,
    ),
  });
}

/** Measures one of its Pods. */
export function podPhasesOf({ created, started, ready }: PodTimes, { scaled }: Timeline): PodPhases {
  return known({
    scaledToCreated: secondsBetween(scaled, created),
    createdToStarted: secondsBetween(created, started),
    createdToReady: secondsBetween(created, ready),
  });
}

/** Whether as many Pods as were added are Ready; where it is not known how many, whether all that there are. */
export function isComplete({ replicas, pods }: Timeline): boolean {
  const alive = pods.filter(({ gone }) => !gone);
  const added = replicas === undefined ? 1 : replicas.to - replicas.from;
  return alive.length >= Math.max(1, added) && alive.every(({ ready }) => ready !== undefined);
}

/** Leaves out what is undefined. */
function known<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
