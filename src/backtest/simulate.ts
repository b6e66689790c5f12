import { behaviorOf, SYNC_PERIOD_MS } from '../autoscaling/behavior.ts';
import type { HpaFacts } from '../autoscaling/metrics.ts';
import type { Memory } from '../autoscaling/normalize.ts';
import type { PodSample } from '../autoscaling/pods.ts';
import { reconcile } from '../autoscaling/reconcile.ts';
import type { Outcome } from '../autoscaling/reconcile.ts';
import { replicasForPods } from '../autoscaling/replicas.ts';
import type { Load } from './load.ts';

/** A workload and its autoscaler. */
export interface Workload {
  /** Load of one Pod that the autoscaler aims at. */
  readonly targetPerPod: number;
  /** The most that one Pod can take, so that more does not show in its metric; unlimited when left out. */
  readonly capacityPerPod?: number;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** What the metric is an average over, such as the minute of a `rate(…[1m])`; at least 15 s. */
  readonly windowMs: number;
  /** From the creation of a Pod to its being ready. */
  readonly podStartMs: number;
  readonly behavior?: NonNullable<HpaFacts['spec']>['behavior'];
}

/** One round of the autoscaler. */
export interface SimulatedRound {
  readonly at: number;
  /** Load of all Pods, as the round sees it. */
  readonly load: number;
  /** The object as the round leaves it. */
  readonly hpa: HpaFacts;
}

/** Between the end of what a metric was measured over and the round that reads it: resolution of metrics-server. */
const METRIC_DELAY_MS = 15_000;
const DELAY_STEPS = METRIC_DELAY_MS / SYNC_PERIOD_MS;
const TOLERANCES = { up: 0.1, down: 0.1 };
const METRIC = { name: 'load' };

/**
 * Drives a HorizontalPodAutoscaler by a load, round by round: each 15 s it sees what the Pods that were ready 15 s ago took on
 * average over the window before that, and scales as Kubernetes does, without a real clock. Pods that start are pending until
 * they are ready, and then without a metric until one was measured.
 */
export function* simulate(load: Load, workload: Workload): Generator<SimulatedRound> {
  const { minReplicas, maxReplicas, targetPerPod, podStartMs, behavior } = workload;
  const windowSteps = Math.max(1, Math.round(workload.windowMs / SYNC_PERIOD_MS));
  const spec = {
    minReplicas,
    maxReplicas,
    metrics: [
      { type: 'Pods', pods: { metric: METRIC, target: { type: 'AverageValue', averageValue: String(targetPerPod) } } },
    ],
    behavior,
  };
  const bounds = { minReplicas, maxReplicas, behavior: behaviorOf(behavior) };
  const begin = Math.ceil((load.values[0] ?? 0) / targetPerPod);
  /** When each Pod is ready, the oldest first. */
  let readyAt = Array.from(
    { length: Math.min(maxReplicas, Math.max(minReplicas, begin)) },
    () => load.startMs - 60_000,
  );
  let memory: Memory | undefined;
  let lastScaleTime: string | undefined;
  for (let step = DELAY_STEPS + windowSteps; step < load.values.length; step++) {
    const at = load.startMs + step * SYNC_PERIOD_MS;
    const measured = at - METRIC_DELAY_MS;
    const serving = readyAt.filter((ready) => ready <= measured).length;
    const taken = mean(load.values.slice(step - DELAY_STEPS - windowSteps, step - DELAY_STEPS));
    const value = Math.min(workload.capacityPerPod ?? Infinity, taken / serving);
    const pods = readyAt.map((ready): PodSample => ({
      phase: ready > at ? 'Pending' : 'Running',
      value: ready <= measured ? value : undefined,
    }));
    const currentReplicas = readyAt.length;
    const proposals = [
      replicasForPods(pods, { type: 'AverageValue', value: targetPerPod }, currentReplicas, TOLERANCES, at),
    ];
    const outcome = reconcile({ currentReplicas, proposals }, bounds, memory, at);
    memory = outcome.memory;
    const { desiredReplicas } = outcome;
    if (desiredReplicas !== currentReplicas) {
      lastScaleTime = new Date(at).toISOString();
    }
    yield {
      at,
      load: taken,
      hpa: { spec, status: { ...statusOf(currentReplicas, outcome, serving > 0 ? value : undefined), lastScaleTime } },
    };
    const kept = readyAt.slice(0, desiredReplicas);
    readyAt = [...kept, ...Array.from({ length: desiredReplicas - kept.length }, () => at + podStartMs)];
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function statusOf(
  currentReplicas: number,
  { desiredReplicas, reasons }: Outcome,
  value: number | undefined,
): NonNullable<HpaFacts['status']> {
  return {
    currentReplicas,
    desiredReplicas,
    currentMetrics:
      value === undefined
        ? null
        : [{ type: 'Pods', pods: { metric: METRIC, current: { averageValue: `${Math.trunc(value * 1000)}m` } } }],
    conditions:
      reasons === undefined
        ? []
        : [
            { type: 'AbleToScale', status: 'True', reason: reasons.ableToScale },
            {
              type: 'ScalingLimited',
              status: reasons.scalingLimited === 'DesiredWithinRange' ? 'False' : 'True',
              reason: reasons.scalingLimited,
            },
          ],
  };
}
