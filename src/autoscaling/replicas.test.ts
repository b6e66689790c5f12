import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CpuReadiness, PodSample } from './pods.ts';
import { highestProposal, replicasForPods, replicasForShare, replicasForValue } from './replicas.ts';
import type { PodsTarget } from './replicas.ts';

// The facts are those of replica_calculator_test.go of Kubernetes 1.36.

const NOW = 10_000_000;
const MINUTE = 60_000;
const TOLERANCES = { up: 0.1, down: 0.1 };
const MAX_INT32 = 2_147_483_647;

const cool: CpuReadiness = {
  ready: true,
  startedAt: NOW - 60 * MINUTE,
  readyChangedAt: NOW - 59 * MINUTE,
  measuredAt: NOW,
  windowMs: MINUTE,
};
/** Began a minute ago, and was not ready for a whole window yet. */
const hot: CpuReadiness = { ...cool, startedAt: NOW - MINUTE, readyChangedAt: NOW };
const unready: CpuReadiness = { ...cool, ready: false, startedAt: NOW - MINUTE, readyChangedAt: NOW - MINUTE };

/** Running Pods with one core requested each; undefined: no value. */
function cpuPods(cores: readonly (number | undefined)[], states: readonly CpuReadiness[] = []): PodSample[] {
  return cores.map((value, i) => ({ phase: 'Running', value, request: 1, cpu: states[i] ?? cool }));
}

function plainPods(values: readonly (number | undefined)[]): PodSample[] {
  return values.map((value) => ({ phase: 'Running', value }));
}

function utilization(pods: readonly PodSample[], percent: number, current: number): number | undefined {
  return replicasForPods(pods, { type: 'Utilization', value: percent }, current, TOLERANCES, NOW);
}

function average(pods: readonly PodSample[], value: number, current: number): number | undefined {
  const target: PodsTarget = { type: 'AverageValue', value };
  return replicasForPods(pods, target, current, TOLERANCES, NOW);
}

describe('a metric of Pods proposes', () => {
  test('replicas in proportion to its ratio, rounded up', () => {
    assert.equal(utilization(cpuPods([0.3, 0.5, 0.7]), 30, 3), 5);
    assert.equal(average(plainPods([20, 10, 30]), 15, 3), 4);
    assert.equal(utilization(cpuPods([0.1, 0.3, 0.5, 0.25, 0.25]), 50, 5), 3);
    assert.equal(average(plainPods([12, 12, 12, 12, 12]), 20, 5), 3);
  });

  test('nothing new within the tolerance, and what the ratio says right outside it', () => {
    assert.equal(average(plainPods([11]), 10, 1), 1);
    assert.equal(average(plainPods([11.1]), 10, 1), 2);
    assert.equal(average(plainPods([9, 9]), 10, 2), 2);
    assert.equal(average(plainPods(Array.from({ length: 10 }, () => 8.9)), 10, 10), 9);
  });

  test('what whole per cents say: 110.9 % of the target is 110 %', () => {
    assert.equal(utilization(cpuPods([1.109]), 100, 1), 1);
    assert.equal(utilization(cpuPods([1.11]), 100, 1), 2);
  });

  test('less while Pods start: their CPU is not believed, and they count as idle on the way up', () => {
    assert.equal(utilization(cpuPods([0.3, 0.5, 0.7], [unready]), 30, 3), 4);
    assert.equal(utilization(cpuPods([0.3, 0.5, 0.7], [hot]), 30, 3), 4);
    assert.equal(utilization(cpuPods([0.4, 0.5, 0.7], [cool, unready, unready]), 30, 3), 3);
    assert.equal(utilization(cpuPods([0.4, 0.5, 0.7], [cool, hot, hot]), 30, 3), 3);
  });

  test('nothing for Pods that start on the way down', () => {
    assert.equal(utilization(cpuPods([0.1, 0.3, 0.5, 0.25, 0.25], [cool, cool, cool, unready, unready]), 50, 5), 2);
    assert.equal(utilization(cpuPods([0.1, 0.3, 0.5, 0.25, 0.25], [cool, cool, cool, hot, hot]), 50, 5), 2);
  });

  test('all the same for Pods that start, where the metric is not CPU', () => {
    assert.equal(average(plainPods([50, 10, 30]), 15, 3), 6);
    assert.equal(average(plainPods([50, 15, 30]), 15, 3), 7);
  });

  test('less while Pods are pending, whatever the metric', () => {
    const pending: PodSample = { phase: 'Pending', value: undefined };
    assert.equal(average([...plainPods([20, 20]), pending, pending], 10, 4), 4);
    assert.equal(average([...plainPods([40, 40]), pending], 10, 3), 8);
    assert.equal(average([...plainPods([5, 5]), pending], 10, 3), 1);
  });

  test('nothing for Pods that failed or are being deleted', () => {
    const gone: PodSample[] = [
      { phase: 'Failed', value: undefined },
      { phase: 'Running', deleting: true, value: 9 },
    ];
    assert.equal(utilization([...cpuPods([0.5, 0.7]), ...gone], 30, 2), 4);
  });

  test('a cautious guess for Pods without a value', () => {
    const none = undefined;
    assert.equal(utilization(cpuPods([0.4, 0.095, none, none]), 100, 4), 3);
    assert.equal(average(plainPods([20, 19, 21, none, none]), 20, 5), 5);
    assert.equal(utilization(cpuPods([1, none]), 100, 2), 2);
    assert.equal(utilization(cpuPods([1.9, none]), 100, 2), 2);
    assert.equal(utilization(cpuPods([0.6, none]), 100, 2), 2);
    assert.equal(utilization(cpuPods([0.1, 0.45, none], [unready]), 50, 3), 3);
    assert.equal(utilization(cpuPods([0.1, 2, none], [unready]), 50, 3), 4);
    assert.equal(utilization(cpuPods([0.1, 0.1, 0.1, none], [unready]), 50, 4), 3);
  });

  test('nothing where a metric would turn around with more Pods than replicas', () => {
    assert.equal(utilization(cpuPods([0.1, 0.1, undefined]), 50, 2), 2);
  });

  test('no number at all without any value, with no value that is a number, and without requests', () => {
    assert.equal(average([], 10, 1), undefined);
    assert.equal(average(plainPods([undefined, undefined]), 10, 2), undefined);
    assert.equal(average(plainPods([Number.NaN]), 10, 1), undefined);
    assert.equal(utilization(cpuPods([0.5], [unready]), 50, 1), undefined);
    assert.equal(utilization([{ phase: 'Running', value: 0.2 }], 50, 1), undefined);
  });

  test('the most that there can be for an absurd value, and none for a negative one', () => {
    assert.equal(average(plainPods([9e15]), 0.001, 1), MAX_INT32);
    assert.equal(average(plainPods([-50]), 10, 1), 0);
  });
});

describe('a value for the whole workload proposes', () => {
  test('its ratio times the Pods that are ready', () => {
    assert.equal(replicasForValue(20 / 15, 3, 3, TOLERANCES), 4);
    assert.equal(replicasForValue(50 / 10, 5, 3, TOLERANCES), 15);
    assert.equal(replicasForValue(12 / 20, 5, 5, TOLERANCES), 3);
    assert.equal(replicasForValue(20.666 / 20, 3, 3, TOLERANCES), 3);
  });

  test('the ratio itself from zero, without tolerance', () => {
    assert.equal(replicasForValue(1.05, 0, 0, TOLERANCES), 2);
    assert.equal(replicasForValue(0.01, 0, 0, TOLERANCES), 1);
    assert.equal(replicasForValue(0, 0, 0, TOLERANCES), 0);
  });

  test('its share for each Pod, where the target is per Pod', () => {
    assert.equal(replicasForShare(20, 5, 3, TOLERANCES, 'Object'), 4);
    assert.equal(replicasForShare(8.6, 2.867, 3, TOLERANCES, 'Object'), 3);
    assert.equal(replicasForShare(6, 2, 5, TOLERANCES, 'Object'), 3);
    assert.equal(replicasForShare(6, 2, 0, TOLERANCES, 'Object'), 3);
    assert.equal(replicasForShare(0, 2, 0, TOLERANCES, 'Object'), 0);
  });

  test('the most that there can be for an absurd value, and none for what is no number', () => {
    assert.equal(replicasForValue(1e18, 3, 3, TOLERANCES), MAX_INT32);
    assert.equal(replicasForShare(9e18, 0.001, 1, TOLERANCES, 'Object'), MAX_INT32);
    assert.equal(replicasForValue(Number.NaN, 3, 3, TOLERANCES), 0);
    assert.equal(replicasForShare(-5, 1, 3, TOLERANCES, 'Object'), 0);
    assert.equal(replicasForShare(-5, 1, 3, TOLERANCES, 'External'), MAX_INT32);
  });
});

test('a tolerance of its own counts in its own direction', () => {
  const tight = { up: 0.01, down: 0.2 };
  assert.equal(replicasForValue(1.02, 100, 100, tight), 102);
  assert.equal(replicasForValue(0.81, 100, 100, tight), 100);
  assert.equal(replicasForValue(1.001, 100, 100, { up: 0, down: 0 }), 101);
});

test('of several metrics the highest proposal counts', () => {
  assert.equal(highestProposal([3, 7, 5], 4), 7);
  assert.equal(highestProposal([3, 2], 4), 3);
});

test('with a metric missing, the others may scale out or keep, but not scale in', () => {
  assert.equal(highestProposal([undefined, 7], 4), 7);
  assert.equal(highestProposal([4, undefined], 4), 4);
  assert.equal(highestProposal([undefined, 3], 4), undefined);
  assert.equal(highestProposal([undefined], 4), undefined);
  assert.equal(highestProposal([], 4), undefined);
});
