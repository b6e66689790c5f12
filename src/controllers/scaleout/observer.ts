import type { Logger } from 'pino';
import type { PrefetchPolicy } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { HorizontalPodAutoscaler } from '../../kube/resources.ts';
import { aborted } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Runnable } from '../../runtime/manager.ts';
import { keyOf, type Key } from '../../runtime/object.ts';
import type { Change, ReadStore } from '../../runtime/store.ts';
import { concerns } from '../../scaleout/concerns.ts';
import { summaryOf } from '../../scaleout/summary.ts';
import type { Timeline } from '../../scaleout/timeline.ts';
import { lineOf } from './line.ts';
import type { ScaleOutMetrics } from './metrics.ts';
import { createObservation, type Observation } from './observation.ts';
import { foresightOf, stepOf, type Step } from './step.ts';

/** Workloads whose Pods are watched at the same time. */
const MOST_WATCHES = 20;

/** What the observer needs. */
export interface ScaleOutObserverOptions {
  readonly client: KubeClient;
  readonly policies: ReadStore<PrefetchPolicy>;
  readonly metrics: ScaleOutMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** Workloads that are watched at the same time; 20. */
  readonly limit?: number;
}

/** Measures the scale-outs of workloads that have a PrefetchPolicy. Until it runs, and after, it lets them pass. */
export interface ScaleOutObserver extends Runnable {
  /** An autoscaler has changed. */
  autoscalerChanged(change: Change<HorizontalPodAutoscaler>): void;
  /** A policy has changed. */
  policyChanged(policy: PrefetchPolicy): void;
}

/**
 * Makes a {@link ScaleOutObserver}. For each scale-out it watches the Pods of the workload until as many as were added are
 * Ready, for ten minutes at the longest, then measures what it saw and logs it in one line.
 */
export function createScaleOutObserver(o: ScaleOutObserverOptions): ScaleOutObserver {
  const observations = new Map<Key, Observation>();
  const ending = new Set<Promise<void>>();
  let running: AbortSignal | undefined;

  function policiesOf(hpa: HorizontalPodAutoscaler): readonly PrefetchPolicy[] {
    const { namespace = '' } = hpa.metadata;
    return o.policies.listNamespace(namespace).filter((policy) => !policy.spec.suspend && concerns(policy, hpa));
  }

  function begin(hpa: HorizontalPodAutoscaler, step: Step, signal: AbortSignal): void {
    const key = keyOf(hpa);
    const log = o.log.child({ observer: 'scaleouts', horizontalPodAutoscaler: key });
    const skip = (reason: object, message: string): void => {
      o.metrics.observe('skipped', { scaled: step.scaled, replicas: step.replicas, pods: [], notes: [] });
      log.warn(reason, message);
    };
    if (observations.size >= (o.limit ?? MOST_WATCHES)) {
      skip({ watched: observations.size }, 'a scale-out is not measured, as too many go on at the same time');
      return;
    }
    const observation = createObservation(hpa, step, {
      ...o,
      log,
      signal,
      foresight: (each) => foresightOf(each, policiesOf(hpa)),
      finished(result, { replicas }, timeline: Timeline) {
        o.metrics.observe(result, timeline);
        const added = `${replicas.from}→${replicas.to}`;
        log.info({ result, ...lineOf(timeline) }, `scaled out ${added}: ${summaryOf(timeline)}`);
      },
    });
    observations.set(key, observation);
    const ended = observation
      .run(() => observations.delete(key))
      .catch((error: unknown) => {
        if (!signal.aborted) {
          skip({ err: error }, 'a scale-out is not measured, as its Pods cannot be watched');
        }
      })
      .finally(() => ending.delete(ended));
    ending.add(ended);
  }

  return {
    name: 'scaleouts',
    autoscalerChanged(change) {
      const step = running === undefined ? undefined : stepOf(change, o.clock.now());
      if (running === undefined || step === undefined || policiesOf(change.object).length === 0) {
        return;
      }
      const observation = observations.get(keyOf(change.object));
      if (observation === undefined) {
        begin(change.object, step, running);
      } else {
        observation.add(step);
      }
    },
    policyChanged({ metadata, status }) {
      observations.get(`${metadata.namespace}/${status?.horizontalPodAutoscaler}`)?.wake();
    },
    async run(signal) {
      running = signal;
      await aborted(signal);
      running = undefined;
      await Promise.all(ending);
    },
  };
}
