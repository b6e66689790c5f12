import { groupPods } from './pods.ts';
import type { PodSample } from './pods.ts';

/** How far the ratio of a metric to its target may be off 1 before the autoscaler acts. */
export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

/** What a metric of Pods is compared with: per cent of their requests, or a value of the metric's own. */
export interface PodsTarget {
  readonly type: 'Utilization' | 'AverageValue';
  readonly value: number;
}

const MAX_INT32 = 2 ** 31 - 1;

/**
 * Replicas that a metric of Pods proposes (Resource, ContainerResource, Pods); undefined when it proposes none, because no
 * ready Pod has a value. As GetResourceReplicas and calcPlainMetricReplicas in replica_calculator.go, with its whole
 * per cents and milli-units.
 */
export function replicasForPods(
  pods: readonly PodSample[],
  target: PodsTarget,
  currentReplicas: number,
  tolerances: Tolerances,
  now: number,
): number | undefined {
  const { ready, unready, missing } = groupPods(pods, now);
  const ratio = ready.length === 0 ? undefined : ratioOf(ready, target);
  if (ratio === undefined) {
    return undefined;
  }
  const up = ratio > 1;
  const unreadyCount = up ? unready.length : 0;
  if (unreadyCount === 0 && missing.length === 0) {
    return isWithin(ratio, tolerances) ? currentReplicas : toReplicas(ratio * ready.length);
  }
  // The cautious guess: on the way up they use nothing, on the way down all that they may.
  const absent = ratio === 1 ? [] : missing.map((pod) => ({ ...pod, value: up ? 0 : fullUse(pod, target) }));
  const silent = up ? unready.map((pod) => ({ ...pod, value: 0 })) : [];
  const counted = [...ready, ...absent, ...silent];
  const cautious = ratioOf(counted, target);
  if (cautious === undefined || isWithin(cautious, tolerances) || (ratio < 1 && cautious > 1) || (up && cautious < 1)) {
    return currentReplicas;
  }
  const proposal = toReplicas(cautious * counted.length);
  const turned = (cautious < 1 && proposal > currentReplicas) || (cautious > 1 && proposal < currentReplicas);
  return turned ? currentReplicas : proposal;
}

/**
 * Replicas that one value for the whole workload proposes (Object and External with target `value`): its ratio to the target
 * times the ready Pods, and the ratio itself where there are no replicas.
 */
export function replicasForValue(
  ratio: number,
  currentReplicas: number,
  readyPods: number,
  tolerances: Tolerances,
): number {
  if (currentReplicas === 0) {
    return toReplicas(ratio);
  }
  return isWithin(ratio, tolerances) ? currentReplicas : toReplicas(ratio * readyPods);
}

/**
 * Replicas that a value to be shared by the Pods proposes (Object and External with target `averageValue`). Of a negative
 * External value the autoscaler makes all that there may be: it takes it for an overflow.
 */
export function replicasForShare(
  total: number,
  targetPerPod: number,
  currentReplicas: number,
  tolerances: Tolerances,
  source: 'External' | 'Object',
): number {
  if (total < 0 && source === 'External') {
    return MAX_INT32;
  }
  return isWithin(total / (targetPerPod * currentReplicas), tolerances)
    ? currentReplicas
    : toReplicas(total / targetPerPod);
}

/**
 * The proposal that counts: the highest. Undefined, and nothing is scaled, when no metric has one, or when one is missing
 * and the others would scale in (computeReplicasForMetrics in horizontal.go).
 */
export function highestProposal(
  proposals: readonly (number | undefined)[],
  currentReplicas: number,
): number | undefined {
  const known = proposals.filter((proposal) => proposal !== undefined);
  if (known.length === 0) {
    return undefined;
  }
  const highest = Math.max(...known);
  return known.length < proposals.length && highest < currentReplicas ? undefined : highest;
}

/** Whether a ratio is too close to 1 for the autoscaler to act. */
export function isWithin(ratio: number, { up, down }: Tolerances): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}

/** Whole replicas, rounded up; those of a ratio that is no number, or of a negative one, are none. */
export function toReplicas(replicas: number): number {
  if (Number.isNaN(replicas)) {
    return 0;
  }
  return Math.max(0, Math.min(MAX_INT32, Math.ceil(replicas)));
}

function ratioOf(pods: readonly PodSample[], target: PodsTarget): number | undefined {
  const total = pods.reduce((sum, { value = 0 }) => sum + milli(value), 0);
  if (target.type === 'AverageValue') {
    return Math.trunc(total / pods.length) / milli(target.value);
  }
  const requests = pods.reduce((sum, { request = 0 }) => sum + milli(request), 0);
  return requests === 0 ? undefined : Math.trunc((total * 100) / requests) / target.value;
}

function fullUse({ request = 0 }: PodSample, { type, value }: PodsTarget): number {
  return type === 'AverageValue' ? value : (request * Math.max(100, value)) / 100;
}

/** Quantities are compared in thousandths, rounded up. The slip of a product such as 1.1 × 1000 must not cost one. */
function milli(value: number): number {
  return Math.ceil(Number((value * 1000).toPrecision(15)));
}
