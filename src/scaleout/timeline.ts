import type { Decision } from '../api/v1alpha1/prefetchpolicy.ts';
import { notBefore, recorded, secondsBetween, type Instant } from './instant.ts';
import { inOrder, POD_MOMENTS, type PodTimes } from './pods.ts';

/** One scale-out, from the first sign of it to its last Pod that is Ready. */
export interface Timeline {
  /** When the threshold was passed, or another sign was seen. */
  readonly decided?: Instant;
  /** Which sign it was, CamelCase. */
  readonly reason?: string;
  /** The same for a person. */
  readonly message?: string;
  readonly warmStarted?: Instant;
  readonly warmVerified?: Instant;
  /** When the autoscaler scaled; undefined as long as it has not. */
  readonly scaled?: Instant;
  /** Replicas before it, and after it. */
  readonly replicas?: { readonly from: number; readonly to: number };
  /** Its Pods, the first created first. */
  readonly pods: readonly PodTimes[];
  /** What keeps the times from being compared, for a person. */
  readonly notes: readonly string[];
}

/** What a timeline is made of. */
export interface TimelineFacts {
  /** Missing where nothing foresaw the scale-out, or it is a later step of one that was. */
  readonly decision?: Decision | undefined;
  readonly scaled?: Instant | undefined;
  readonly replicas?: { readonly from: number; readonly to: number } | undefined;
  /** Those that belong to it. */
  readonly pods: readonly PodTimes[];
}

/** Puts the moments of a scale-out together. */
export function timelineOf({ decision, scaled: scaledAt, replicas, pods }: TimelineFacts): Timeline {
  const decided = recorded(decision?.at);
  const warmStarted = recorded(decision?.warmStartedAt);
  const warmVerified = recorded(decision?.warmVerifiedAt);
  const scaled = scaledAt === undefined ? undefined : notBefore(scaledAt, decided);
  const ordered = pods.map((pod) => inOrder(pod, scaled));
  return {
    ...(decided === undefined ? {} : { decided }),
    ...(decision === undefined ? {} : { reason: decision.reason, message: decision.message }),
    ...(warmStarted === undefined ? {} : { warmStarted }),
    ...(warmVerified === undefined ? {} : { warmVerified }),
    ...(scaled === undefined ? {} : { scaled }),
    ...(replicas === undefined ? {} : { replicas }),
    pods: ordered,
    notes: ordered.flatMap((pod) => skewOf(pod, scaled)).slice(0, 1),
  };
}

/** Says so where a Pod's times run backwards, by more than their rounding. */
function skewOf(pod: PodTimes, scaled: Instant | undefined): readonly string[] {
  let [before, earlier]: [string, Instant | undefined] = ['the scale-out', scaled];
  for (const moment of POD_MOMENTS) {
    const instant = pod[moment];
    const seconds = secondsBetween(earlier, instant);
    if (seconds !== undefined && seconds < 0) {
      const where = pod.node === undefined ? '' : ` (node ${pod.node})`;
      return [
        `Pod ${pod.name}${where} is recorded as ${moment} ${(-seconds).toFixed(1)} s before ${before}: the clocks of the machines differ, so look at the times of one machine only.`,
      ];
    }
    [before, earlier] = instant === undefined ? [before, earlier] : [`it was ${moment}`, instant];
  }
  return [];
}
