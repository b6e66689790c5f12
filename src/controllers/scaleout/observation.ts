import type { Logger } from 'pino';
import type { KubeClient } from '../../kube/client.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import { pods, replicaSets, type HorizontalPodAutoscaler, type Pod } from '../../kube/resources.ts';
import { follow } from '../../runtime/abort.ts';
import { jitteredBackoff } from '../../runtime/backoff.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';
import { Reflector, type ListWatch } from '../../runtime/reflector.ts';
import {
  firstCreation,
  membersOf,
  replicaSetFacts,
  SCALE_OUT_MS,
  type ReplicaSetFacts,
  type Workload,
} from '../../scaleout/members.ts';
import { isComplete } from '../../scaleout/phases.ts';
import { selectorText } from '../../scaleout/selector.ts';
import { timelineOf, type Timeline } from '../../scaleout/timeline.ts';
import { isTracked, trackPods } from '../../scaleout/tracker.ts';
import { readWorkload, type ScaledWorkload } from '../prefetchpolicy/target.ts';
import { ReconcileError } from '../reconcile-error.ts';
import type { Foresight, Step } from './step.ts';

/** How soon a ReplicaSet that could not be read is asked for again. */
const RETRY_MS = 5000;

/** How an observation looks at the world. */
export interface ObservationOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when nothing is to be observed any more. */
  readonly signal: AbortSignal;
  /** What foresaw a scale-out, as far as it is known by now. */
  foresight(step: Step): Foresight | undefined;
  /** A scale-out has been followed to its end, or for ten minutes. */
  finished(result: 'ready' | 'unfinished', step: Step, timeline: Timeline): void;
}

/** One watch of the Pods of a workload, for as long as scale-outs of it go on. */
export interface Observation {
  /** Follows a further scale-out of the same workload. */
  add(step: Step): void;
  /** Looks again: what foresaw a scale-out has changed. */
  wake(): void;
  /**
   * Follows until every scale-out is finished, or the signal aborts. What it has open then, it does not report.
   * @param end called as soon as there is nothing to follow any more; nothing may be added after it
   * @throws what reading the workload throws; KubeError when its Pods may not be watched
   */
  run(end: () => void): Promise<void>;
}

interface OpenStep {
  step: Step;
  /** By the monotonic clock. */
  deadline: number;
}

/** Makes an {@link Observation}, which begins with one scale-out by the autoscaler. */
export function createObservation(hpa: HorizontalPodAutoscaler, first: Step, o: ObservationOptions): Observation {
  const { client, clock, log } = o;
  const namespace = hpa.metadata.namespace ?? '';
  let open: OpenStep[] = [];
  const known = new Map<string, ReplicaSetFacts | 'Missing' | 'Forbidden'>();
  const stop = new AbortController();
  let retry: Timer | undefined;
  let woken = Promise.withResolvers<void>();
  const wake = (): void => woken.resolve();
  const tracker = trackPods({ now: () => clock.now(), fromMs: firstCreation(first.window.fromMs), onChange: wake });

  function add(step: Step): void {
    const last = open.at(-1);
    if (last !== undefined) {
      last.step = { ...last.step, window: { ...last.step.window, untilMs: step.window.fromMs } };
    }
    open.push({ step, deadline: clock.monotonic() + SCALE_OUT_MS });
    wake();
  }

  async function run(end: () => void): Promise<void> {
    let ended = false;
    const finish = (): void => {
      if (!ended) {
        ended = true;
        end();
      }
    };
    const unfollow = follow(stop, o.signal);
    let watching: Promise<void> | undefined;
    try {
      const { kind = '', name = '' } = hpa.spec?.scaleTargetRef ?? {};
      const { metadata, spec } = await readTarget();
      const workload = { kind, name, uid: metadata.uid ?? '', firstOrdinal: spec?.ordinals?.start };
      const selector = selectorText(spec?.selector);
      if (selector === undefined) {
        throw new Error(`${kind} ${namespace}/${name} has no label selector that its Pods could be watched by`);
      }
      watching = new Reflector({ listWatch: podsOf(selector), store: tracker, clock, log }).run(stop.signal);
      await followSteps(workload, finish);
    } finally {
      finish();
      unfollow();
      retry?.cancel();
      stop.abort();
      await watching;
    }
  }

  /** Asks again, as long as an answer could still be of use, unless a person has to act first. */
  async function readTarget(): Promise<ScaledWorkload> {
    const backoff = jitteredBackoff({ clock, initial: 500, max: 10_000, reset: SCALE_OUT_MS });
    const end = clock.monotonic() + SCALE_OUT_MS;
    for (;;) {
      try {
        return await readWorkload(client, hpa, stop.signal);
      } catch (error) {
        if (error instanceof ReconcileError || stop.signal.aborted || clock.monotonic() >= end) {
          throw error;
        }
        log.warn({ err: error }, 'could not read what was scaled out, trying again');
        await clock.sleep(backoff(), stop.signal);
      }
    }
  }

  /** Keeps of each page the Pods that count only, so that a large workload's Pods are never all in memory. */
  function podsOf(labelSelector: string): ListWatch<Pod> {
    const selectors = { namespace, labelSelector };
    return {
      async list(options, signal) {
        try {
          const page = await client.list(pods, { ...selectors, ...options }, signal);
          return { ...page, items: page.items.filter((pod) => isTracked(pod, firstCreation(first.window.fromMs))) };
        } catch (error) {
          if (isForbidden(error)) {
            stop.abort(error);
          }
          throw error;
        }
      },
      watch: (options, signal) => client.watch(pods, { ...selectors, ...options }, signal),
    };
  }

  /** Calls `finish` in the same breath as it finds nothing left, so that nothing is added in between. */
  async function followSteps(workload: Workload, finish: () => void): Promise<void> {
    while (open.length > 0) {
      await next();
      await learnReplicaSets(workload);
      open = open.filter((each) => goesOn(each, workload));
      tracker.forget(firstCreation(open[0]?.step.window.fromMs ?? 0));
    }
    finish();
  }

  /** Waits for a change, or until the time of a scale-out is over. */
  async function next(): Promise<void> {
    const ms = Math.max(0, Math.min(...open.map(({ deadline }) => deadline)) - clock.monotonic());
    const timer = clock.after(ms, wake);
    const onAbort = (): void => woken.reject(stop.signal.reason);
    stop.signal.addEventListener('abort', onAbort, { once: true });
    try {
      stop.signal.throwIfAborted();
      await woken.promise;
    } finally {
      timer.cancel();
      stop.signal.removeEventListener('abort', onAbort);
      woken = Promise.withResolvers<void>();
    }
  }

  /** Whether a scale-out has more to show; reports it if not. */
  function goesOn({ step, deadline }: OpenStep, workload: Workload): boolean {
    const foresight = o.foresight(step);
    const timeline = timelineOf({
      decision: foresight?.decision,
      scaled: step.scaled,
      replicas: step.replicas,
      pods: membersOf(tracker.pods(), step.window, workload, known),
    });
    const ready = isComplete(timeline) && foresight?.warming !== true;
    if (!ready && clock.monotonic() < deadline) {
      return true;
    }
    o.finished(ready ? 'ready' : 'unfinished', step, timeline);
    return false;
  }

  /** Reads the ReplicaSets that the Pods of a Deployment belong to: a handful, each once. */
  async function learnReplicaSets({ kind }: Workload): Promise<void> {
    const owners = new Map(tracker.pods().map(({ owner }) => [owner?.uid ?? '', owner]));
    for (const [uid, owner] of owners) {
      if (kind !== 'Deployment' || owner?.kind !== 'ReplicaSet' || known.has(uid)) {
        continue;
      }
      try {
        const found = await client.get(replicaSets, { namespace, name: owner.name }, stop.signal);
        known.set(uid, replicaSetFacts(found));
      } catch (error) {
        stop.signal.throwIfAborted();
        if (isNotFound(error) || isForbidden(error)) {
          known.set(uid, isNotFound(error) ? 'Missing' : 'Forbidden');
        } else {
          log.warn({ err: error, replicaSet: owner.name }, 'could not read a ReplicaSet, trying again');
          retry?.cancel();
          retry = clock.after(RETRY_MS, wake);
        }
      }
    }
  }

  add(first);
  return { add, wake, run };
}
