import type { Logger } from 'pino';
import type { PrefetchPolicy } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { History } from '../../autoscaling/history.ts';
import { longestHoldMs } from '../../holding/bound.ts';
import { fillHoldIndex, HoldIndex } from '../../holding/index.ts';
import { judge } from '../../holding/judge.ts';
import { ReleaseReason } from '../../holding/reasons.ts';
import { subjectOf } from '../../holding/subject.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { HorizontalPodAutoscaler, Lease, Pod } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { ControllerMetrics } from '../../runtime/controller.ts';
import type { Informer } from '../../runtime/informer.ts';
import { keyOf, type Key } from '../../runtime/object.ts';
import { watchReleaser } from './liveness.ts';
import type { HoldMetrics } from './metrics.ts';
import { createReleaser, heldPods, type Releaser } from './releaser.ts';

export interface HoldingOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly policies: Informer<PrefetchPolicy>;
  readonly autoscalers: Informer<HorizontalPodAutoscaler>;
  /** The Lease of the releaser. */
  readonly lease: Informer<Lease>;
  /** Recent metrics of each autoscaler. */
  readonly histories: ReadonlyMap<Key, History>;
  readonly events: Pick<EventRecorder, 'event'>;
  readonly metrics: HoldMetrics;
  readonly controllerMetrics: ControllerMetrics;
}

/** What each replica of the operator does about Pods that wait. */
export interface Holding {
  readonly index: HoldIndex;
  readonly releaserAlive: () => boolean;
  readonly pods: Informer<Pod>;
  /** Lets Pods go on every replica, so that none depends on who leads. */
  readonly releaser: Releaser;
}

/** Wires it. */
export function createHolding(o: HoldingOptions): Holding {
  const { client, clock, log, policies, autoscalers, events, metrics } = o;
  const index = new HoldIndex({
    inNamespace: (namespace) => autoscalers.store.listNamespace(namespace),
    samples: (hpa) => o.histories.get(keyOf(hpa))?.samples() ?? [],
  });
  fillHoldIndex(index, policies);
  const pods = heldPods(client, clock, log);
  const releaser = createReleaser({
    client,
    pods,
    clock,
    log,
    metrics: o.controllerMetrics,
    roundingMs: 0,
    judge(pod) {
      const verdict = judge(subjectOf(pod, pod.metadata.namespace ?? ''), index, clock.now());
      return verdict.held ? undefined : verdict.reason;
    },
    released(pod, reason, seconds) {
      metrics.released(reason, seconds);
      if (reason === ReleaseReason.HoldTimedOut) {
        events.event(pod, 'Warning', reason, timedOut(pod));
      }
    },
  });
  policies.onChange(({ object }) => releaser.lookAgain(object.metadata.namespace));
  autoscalers.onChange(({ object }) => releaser.lookAgain(object.metadata.namespace ?? ''));
  return { index, releaserAlive: watchReleaser(o.lease, clock), pods, releaser };
}

function timedOut(pod: Pod): string {
  return (
    `The Pod waited ${longestHoldMs(pod) / 1000} s for its images, and no seed peer has all of them yet: it starts without. ` +
    'See the status of the PrefetchPolicy of its workload for how far the warm is.'
  );
}
