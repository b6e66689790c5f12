import type { Pod } from '../kube/resources.ts';
import { recorded } from './instant.ts';
import { advance, type PodTimes } from './pods.ts';

/** Pods that are kept at most: more come only of Pods that fail as fast as they are made. */
const MOST_PODS = 1000;

/** Follows the Pods of a workload that were created from some time on, by their changes; keeps nothing of them but times. */
export interface PodTracker {
  /** All there are, as a list has them: their times are those that Kubernetes recorded. */
  replace(pods: readonly Pod[]): void;
  /** One that was just added or changed: what is new happened now. */
  upsert(pod: Pod): void;
  delete(pod: Pod): void;
  pods(): readonly PodTimes[];
  /** Gives up the Pods that were created before some time, in milliseconds since the epoch. */
  forget(beforeMs: number): void;
}

/**
 * Makes a {@link PodTracker}.
 * @param fromMs Pods that were created before are passed over; milliseconds since the epoch
 * @param onChange called after each change
 */
export function trackPods(o: { now: () => Date; fromMs: number; onChange: () => void }): PodTracker {
  const times = new Map<string, PodTimes>();
  let { fromMs } = o;
  function put(pod: Pod, now: Date | undefined): void {
    const uid = pod.metadata.uid ?? '';
    const before = times.get(uid);
    if (isTracked(pod, fromMs) && (before !== undefined || times.size < MOST_PODS)) {
      times.set(uid, advance(before, pod, now));
    }
  }
  function lose(uid: string): void {
    const before = times.get(uid);
    if (before !== undefined) {
      times.set(uid, { ...before, gone: true });
    }
  }
  return {
    replace(pods) {
      const there = new Set(pods.map(({ metadata }) => metadata.uid));
      for (const uid of [...times.keys()].filter((each) => !there.has(each))) {
        lose(uid);
      }
      for (const pod of pods) {
        put(pod, undefined);
      }
      o.onChange();
    },
    upsert(pod) {
      put(pod, o.now());
      o.onChange();
    },
    delete(pod) {
      lose(pod.metadata.uid ?? '');
      o.onChange();
    },
    pods: () => [...times.values()],
    forget(beforeMs) {
      fromMs = Math.max(fromMs, beforeMs);
      for (const { uid } of [...times.values()].filter(({ createdMs }) => createdMs < fromMs)) {
        times.delete(uid);
      }
    },
  };
}

/** Whether a Pod is young enough to be followed. */
export function isTracked({ metadata }: Pod, fromMs: number): boolean {
  return (recorded(metadata.creationTimestamp)?.ms ?? 0) >= fromMs;
}
