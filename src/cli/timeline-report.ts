import type { PrefetchPolicy } from '../api/v1alpha1/prefetchpolicy.ts';
import { scaleOutsOf } from '../scaleout/decisions.ts';
import type { Instant } from '../scaleout/instant.ts';
import { membersOf } from '../scaleout/members.ts';
import { phasesOf, type Phases } from '../scaleout/phases.ts';
import { advance, withPull, type PodTimes } from '../scaleout/pods.ts';
import { pullsOf } from '../scaleout/pulls.ts';
import { summaryOf } from '../scaleout/summary.ts';
import { timelineOf, type Timeline } from '../scaleout/timeline.ts';
import type { TimelineFacts } from './timeline-facts.ts';

/** How long an API server keeps Events, unless told otherwise (kube-apiserver `--event-ttl`). */
const EVENT_TTL_MS = 3_600_000;

/** One Pod in `-o json`. Times are RFC 3339. */
export interface PodReport {
  readonly name: string;
  readonly node?: string;
  readonly createdAt: string;
  readonly scheduledAt?: string;
  readonly pulledAt?: string;
  /** Seconds; missing where the kubelet does not say. */
  readonly pullSeconds?: number;
  /** Whether its images were on the node already. */
  readonly imagesPresent?: boolean;
  readonly startedAt?: string;
  readonly readyAt?: string;
  readonly gone: boolean;
}

/** One scale-out in `-o json`. Times are RFC 3339. */
export interface ScaleOutReport {
  readonly namespace: string;
  readonly prefetchPolicy: string;
  readonly horizontalPodAutoscaler: string;
  /** Kind/name. */
  readonly target: string;
  readonly replicas?: { readonly from: number; readonly to: number };
  /** Why a scale-out was foreseen. */
  readonly reason?: string;
  readonly message?: string;
  readonly decidedAt?: string;
  readonly warmStartedAt?: string;
  readonly warmVerifiedAt?: string;
  readonly scaledAt?: string;
  readonly pods: readonly PodReport[];
  readonly seconds: Phases;
  readonly summary: string;
  readonly notes: readonly string[];
}

/** The newest scale-outs that are recorded, newest first; a decision that none has followed yet comes before them. */
export function timelinesOf(facts: TimelineFacts, most: number, now: Date): readonly Timeline[] {
  const pulls = pullsOf(facts.events === 'Forbidden' ? [] : facts.events);
  const all = facts.pods.map((pod) => {
    const times = advance(undefined, pod, undefined);
    return withPull(times, pulls.get(times.uid));
  });
  const timelines = scaleOutsOf(facts.policy.status, facts.hpa).flatMap((scaleOut) => {
    const { window } = scaleOut;
    const members = window === undefined ? [] : membersOf(all, window, facts.workload, facts.replicaSets);
    // Without a decision and without Pods it was a scale-in, or is long over.
    return scaleOut.decision === undefined && members.length === 0 ? [] : [timelineOf({ ...scaleOut, pods: members })];
  });
  const pending = timelines.filter(({ scaled }) => scaled === undefined);
  const scaled = timelines.filter((timeline) => timeline.scaled !== undefined).slice(0, most);
  return [...pending, ...scaled].map((timeline) => ({
    ...timeline,
    notes: [...timeline.notes, ...notesOf(timeline, facts, now)],
  }));
}

/** What `-o json` writes of a scale-out. */
export function reportOfTimeline(timeline: Timeline, { policy, hpa, workload }: TimelineFacts): ScaleOutReport {
  const { replicas, reason, message, pods, notes } = timeline;
  return {
    namespace: policy.metadata.namespace,
    prefetchPolicy: policy.metadata.name,
    horizontalPodAutoscaler: hpa.metadata.name,
    target: `${workload.kind}/${workload.name}`,
    ...(replicas === undefined ? {} : { replicas }),
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    ...at('decidedAt', timeline.decided),
    ...at('warmStartedAt', timeline.warmStarted),
    ...at('warmVerifiedAt', timeline.warmVerified),
    ...at('scaledAt', timeline.scaled),
    pods: pods.map(podReportOf),
    seconds: phasesOf(timeline),
    summary: summaryOf(timeline),
    notes,
  };
}

/** Why there is nothing to show. */
export function nothingRecorded({ metadata, status }: PrefetchPolicy): string {
  const what = `PrefetchPolicy ${metadata.namespace}/${metadata.name}`;
  return status?.horizontalPodAutoscaler === undefined
    ? `${what} has not been looked at by Slipstream yet: see that it runs`
    : `${what} has recorded no scale-out yet: --watch waits for one`;
}

function podReportOf(pod: PodTimes): PodReport {
  const { name, node, created, scheduled, pulled, pull, started, ready, gone } = pod;
  return {
    name,
    ...(node === undefined ? {} : { node }),
    createdAt: rfc3339(created),
    ...at('scheduledAt', scheduled),
    ...at('pulledAt', pulled),
    ...(pull?.seconds === undefined ? {} : { pullSeconds: pull.seconds }),
    ...(pull === undefined ? {} : { imagesPresent: pull.present }),
    ...at('startedAt', started),
    ...at('readyAt', ready),
    gone,
  };
}

function notesOf({ scaled, pods }: Timeline, { gaps, events }: TimelineFacts, now: Date): readonly string[] {
  const isOld = events !== 'Forbidden' && scaled !== undefined && now.getTime() - scaled.ms > EVENT_TTL_MS;
  return [
    ...(scaled !== undefined && pods.length === 0 && now.getTime() - scaled.ms > 60_000
      ? ['None of its Pods is there any more, or none was created; what is known of a Pod goes with it.']
      : []),
    ...(isOld && pods.some(({ ready, pulled }) => ready !== undefined && pulled === undefined)
      ? ['When the images were pulled is not known any more: the API server keeps Events for an hour.']
      : []),
    ...gaps.map(({ right, unknown }) => `It is not known ${unknown}: you may not ${right}.`),
  ];
}

function at<K extends string>(name: K, instant: Instant | undefined): Partial<Record<K, string>> {
  return (instant === undefined ? {} : { [name]: rfc3339(instant) }) as Partial<Record<K, string>>;
}

function rfc3339({ ms, whole }: Instant): string {
  const text = new Date(ms).toISOString();
  return whole ? `${text.slice(0, 19)}Z` : text;
}
