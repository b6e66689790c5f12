import type { Logger } from 'pino';
import { isHeld, remainingMs } from '../../holding/bound.ts';
import { ReleaseReason } from '../../holding/reasons.ts';
import { listWatch, type KubeClient } from '../../kube/client.ts';
import { pods, type Pod } from '../../kube/resources.ts';
import { HOLD_LABEL } from '../../api/v1alpha1/labels.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Controller, type ControllerMetrics, type Outcome } from '../../runtime/controller.ts';
import { Informer } from '../../runtime/informer.ts';
import { keyOf, type Key } from '../../runtime/object.ts';
import { releasePod, type PodClient } from './release.ts';

/** Pods that are released at the same time. */
const WORKERS = 16;
/** Whatever the API server says, a Pod that is to go on is tried again within two seconds, however many there are. */
const BACKOFF = { baseDelay: 50, maxDelay: 2000, qps: 500, burst: 1000 };
/** How often one that waits is judged again while nothing changes: some of what it waits for passes with time. */
const LOOK_AGAIN_MS = 1000;

/** What a releaser is made of. */
export interface ReleaserOptions {
  readonly client: PodClient;
  /** See {@link heldPods}. */
  readonly pods: Informer<Pod>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: ControllerMetrics;
  /** See {@link remainingMs}. */
  readonly roundingMs: 0 | 1000;
  /** Why a Pod need not wait any longer; undefined while it is to wait. Without it Pods are released by time only. */
  readonly judge?: (pod: Pod) => ReleaseReason | undefined;
  /** Told of each Pod that this releaser, and no other, let go, and after how many seconds. */
  readonly released: (pod: Pod, reason: ReleaseReason, seconds: number) => void;
}

/** Lets the Pods go that wait at our gate: each when its time is up, whatever happens, or earlier for a reason. */
export interface Releaser {
  readonly controller: Controller;
  /** Has the Pods of a namespace judged again. */
  lookAgain(namespace: string): void;
  /** Pods that should have gone on more than this many milliseconds ago. */
  overdue(ms: number): readonly Pod[];
}

/** The Pods that wait, and those whose label says that they did: what a releaser looks at. */
export function heldPods(client: KubeClient, clock: Clock, log: Logger): Informer<Pod> {
  const selected = listWatch(client, pods, { labelSelector: HOLD_LABEL });
  return new Informer({ name: 'held pods', listWatch: selected, clock, log });
}

/** Makes a {@link Releaser}. Any number of them may work side by side: who comes second finds nothing to do. */
export function createReleaser(o: ReleaserOptions): Releaser {
  const { client, pods: informer, clock, log } = o;
  /** When each Pod that waits was first seen, by the clock that does not jump. */
  const seen = new Map<Key, number>();
  const controller = new Controller({
    name: 'hold',
    workers: WORKERS,
    rateLimit: BACKOFF,
    clock,
    log,
    ...(o.metrics === undefined ? {} : { metrics: o.metrics }),
    reconcile: (key, { signal }) => reconcile(key, signal),
  });

  informer.onChange(({ type, object }) => {
    const key = keyOf(object);
    if (type === 'deleted') {
      seen.delete(key);
      return;
    }
    if (isHeld(object)) {
      seen.set(key, seen.get(key) ?? clock.monotonic());
      controller.enqueue(key);
    }
  });

  function remaining(pod: Pod): number {
    const monotonic = clock.monotonic();
    const sighting = { seen: seen.get(keyOf(pod)) ?? monotonic, monotonic };
    return remainingMs(pod, sighting, clock.now(), o.roundingMs);
  }

  async function reconcile(key: Key, signal: AbortSignal): Promise<Outcome | void> {
    const pod = informer.store.get(key);
    if (pod === undefined || !isHeld(pod)) {
      return;
    }
    const left = remaining(pod);
    const reason = left <= 0 ? ReleaseReason.HoldTimedOut : o.judge?.(pod);
    if (reason === undefined) {
      return { requeueAfter: o.judge === undefined ? left : Math.min(left, LOOK_AGAIN_MS) };
    }
    if (await releasePod(client, pod, signal)) {
      const seconds = heldSeconds(pod, clock.monotonic() - (seen.get(key) ?? clock.monotonic()));
      log.info({ key, reason, seconds }, 'a Pod that was held goes on');
      o.released(pod, reason, seconds);
    }
  }

  return {
    controller,
    lookAgain(namespace) {
      for (const pod of informer.store.listNamespace(namespace)) {
        controller.enqueue(keyOf(pod));
      }
    },
    overdue: (ms) => informer.store.list().filter((pod) => isHeld(pod) && remaining(pod) < -ms),
  };

  /** From its creation; what was seen of it says more than the whole seconds of the API server, unless it was only found. */
  function heldSeconds({ metadata }: Pod, sinceSeenMs: number): number {
    const sinceCreatedMs = clock.now().getTime() - Date.parse(metadata.creationTimestamp ?? '');
    return Math.max(0, sinceCreatedMs - sinceSeenMs > 1500 ? sinceCreatedMs : sinceSeenMs) / 1000;
  }
}
