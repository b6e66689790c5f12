import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HorizontalPodAutoscaler } from '../kube/resources.ts';
import { evaluate } from './evaluate.ts';
import type { Evaluation } from './evaluate.ts';
import { History, sampleOf } from './history.ts';
import type { Sample } from './history.ts';
import type { HpaFacts } from './metrics.ts';

const NOW = new Date('2026-01-01T00:10:00Z');
const OPTIONS = { threshold: 0.85, horizonMs: 60_000, now: NOW };

interface State {
  current?: number;
  desired?: number;
  min?: number;
  max?: number;
  /** Utilization in percent against a target of 100, so that it is the ratio. */
  percent?: number;
  conditions?: [type: string, status: string, reason: string][];
  tolerance?: string;
  behavior?: NonNullable<HpaFacts['spec']>['behavior'];
}

function hpa({
  current = 4,
  desired = current,
  min = 1,
  max = 20,
  percent,
  conditions = [],
  tolerance,
  behavior = tolerance === undefined ? undefined : { scaleUp: { tolerance } },
}: State): HpaFacts {
  return {
    spec: {
      minReplicas: min,
      maxReplicas: max,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 100 } } },
      ],
      behavior,
    },
    status: {
      currentReplicas: current,
      desiredReplicas: desired,
      currentMetrics:
        percent === undefined
          ? null
          : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: percent } } }],
      conditions: conditions.map(([type, status, reason]) => ({ type, status, reason })),
    },
  };
}

/** What the autoscaler saw every 15 s, the last of it now. */
function past(percents: readonly number[], replicas: readonly number[] = []): Sample[] {
  return percents.map((percent, i) =>
    sampleOf(hpa({ percent, current: replicas[i] ?? 4 }), new Date(NOW.getTime() - (percents.length - 1 - i) * 15_000)),
  );
}

function judge(state: State, samples: readonly Sample[] = []): Evaluation {
  return evaluate(hpa(state), samples, OPTIONS);
}

describe('a scale-out is near', () => {
  test('when the autoscaler wants more replicas than there are', () => {
    const seen = judge({ current: 3, desired: 5, percent: 50 });
    assert.deepEqual([seen.scaleOutNear, seen.reason, seen.expectedReplicas], [true, 'DesiredAboveCurrent', 5]);
  });

  test('when the scale-up policy cut its step short', () => {
    const seen = judge({ percent: 80, conditions: [['ScalingLimited', 'True', 'ScaleUpLimit']] });
    assert.deepEqual([seen.scaleOutNear, seen.reason], [true, 'ScaleUpLimited']);
  });

  test('when it waits for its stabilization window', () => {
    const seen = judge({ percent: 80, conditions: [['AbleToScale', 'True', 'ScaleUpStabilized']] });
    assert.deepEqual([seen.scaleOutNear, seen.reason], [true, 'ScaleUpStabilized']);
  });

  test('when there are fewer replicas than the minimum', () => {
    const seen = judge({ current: 2, min: 6, percent: 5, conditions: [['ScalingLimited', 'True', 'TooFewReplicas']] });
    assert.deepEqual([seen.scaleOutNear, seen.reason, seen.expectedReplicas], [true, 'BelowMinimum', 6]);
  });

  test('when a metric has passed the threshold', () => {
    const seen = judge({ current: 10, percent: 85 });
    assert.deepEqual([seen.scaleOutNear, seen.reason, seen.ratio], [true, 'ThresholdPassed', 0.85]);
    assert.match(seen.message, /Resource\/cpu is at 85 % of its target/);
    // The autoscaler acts above 1.1, so this is the least that a scale-out can lead to.
    assert.equal(seen.expectedReplicas, 11);
  });

  test('when a metric came up from rest and passed the threshold', () => {
    const seen = judge({ percent: 86 }, past([55, 56, 58, 60, 64, 70, 78, 86]));
    assert.equal(seen.reason, 'ThresholdPassed');
  });

  test('when the trend makes the autoscaler act within the horizon', () => {
    const seen = judge({ percent: 70 }, past([26, 37, 48, 59, 70]));
    assert.deepEqual([seen.scaleOutNear, seen.reason], [true, 'TrendCrossesTarget']);
  });

  test('with the replicas that the forecast load needs', () => {
    // 10 % of the target more each 15 s: 120 % in a minute.
    const seen = judge({ current: 10, percent: 80 }, past([50, 60, 70, 80], [10, 10, 10, 10]));
    assert.deepEqual([seen.reason, seen.expectedReplicas], ['TrendCrossesTarget', 12]);
  });

  test('also after a scale-out halved the ratio, while the load goes on rising', () => {
    // Load, in replicas: 1.6, 2.0, 2.4, 2.8, 3.2, and twice the replicas from the fourth sample on.
    const samples = past([80, 100, 120, 70, 80], [2, 2, 2, 4, 4]);
    const seen = judge({ current: 4, percent: 80 }, samples);
    assert.deepEqual([seen.scaleOutNear, seen.reason], [true, 'TrendCrossesTarget']);
  });

  test('sooner where the autoscaler has a smaller tolerance of its own', () => {
    const samples = past([56, 62, 68, 74, 80]);
    // Six per cent each 15 s: 104 % in a minute, which is within the default tolerance.
    assert.equal(judge({ percent: 80 }, samples).scaleOutNear, false);
    assert.equal(judge({ percent: 80, tolerance: '0.005' }, samples).reason, 'TrendCrossesTarget');
  });

  test('with what the formula makes of the metrics beyond the step that its policy allows: the rest is certain', () => {
    const limited: State['conditions'] = [['ScalingLimited', 'True', 'ScaleUpLimit']];
    const first = judge({ current: 1, desired: 4, percent: 800, conditions: limited });
    assert.deepEqual([first.reason, first.expectedReplicas], ['DesiredAboveCurrent', 8]);
    const next = judge({ current: 4, percent: 200, conditions: limited });
    assert.deepEqual([next.reason, next.expectedReplicas], ['ScaleUpLimited', 8]);
  });

  test('with as many replicas as its policies let it make within the horizon', () => {
    const behavior = { scaleUp: { policies: [{ type: 'Pods', value: 1, periodSeconds: 30 }] } };
    // Now, in 30 s and in 60 s.
    assert.equal(judge({ current: 4, percent: 400, behavior }).expectedReplicas, 7);
    assert.equal(judge({ current: 4, percent: 400 }).expectedReplicas, 16);
  });

  test('never with more replicas than the maximum', () => {
    assert.equal(judge({ current: 4, max: 5, percent: 400 }).expectedReplicas, 5);
  });
});

describe('a scale-out is not near', () => {
  test('at the maximum, whatever the metrics say', () => {
    const seen = judge({
      current: 20,
      max: 20,
      percent: 300,
      conditions: [['ScalingLimited', 'True', 'TooManyReplicas']],
    });
    assert.deepEqual([seen.scaleOutNear, seen.reason, seen.expectedReplicas], [false, 'AtMaximum', 20]);
  });

  test('where its behavior forbids it to scale up, whatever it says', () => {
    const behavior = { scaleUp: { selectPolicy: 'Disabled' } };
    const seen = judge({ percent: 300, behavior, conditions: [['ScalingLimited', 'True', 'ScaleUpLimit']] });
    assert.deepEqual([seen.scaleOutNear, seen.reason], [false, 'ScaleUpDisabled']);
  });

  test('while replicas are taken away, however busy the rest still is', () => {
    const seen = judge({ current: 100, desired: 88, max: 200, percent: 88 });
    assert.deepEqual([seen.scaleOutNear, seen.reason], [false, 'ScalingIn']);
  });

  test('when an idle workload sits at its minimum', () => {
    const seen = judge({ current: 2, min: 2, percent: 3, conditions: [['ScalingLimited', 'True', 'TooFewReplicas']] });
    assert.deepEqual([seen.scaleOutNear, seen.reason], [false, 'Steady']);
  });

  test('when a condition that once pointed to it is over', () => {
    const seen = judge({ percent: 50, conditions: [['ScalingLimited', 'False', 'ScaleUpLimit']] });
    assert.equal(seen.scaleOutNear, false);
  });

  test('when the target has no replicas', () => {
    assert.equal(judge({ current: 0, percent: 100 }).reason, 'ScaledToZero');
  });

  test('when there are no metrics, and nothing else says so', () => {
    const seen = judge({});
    assert.deepEqual([seen.scaleOutNear, seen.reason, seen.ratio], [false, 'NoMetrics', undefined]);
  });

  test('when a metric stays near its target, where an autoscaler of many replicas keeps it', () => {
    assert.equal(judge({ percent: 97 }, past([97, 96, 97, 98, 97, 96, 98, 97])).reason, 'Steady');
    assert.equal(judge({ percent: 90 }, past([86, 87, 87, 88, 88, 89, 89, 90])).reason, 'Steady');
  });

  test('when a metric stays where it is, and the autoscaler has nothing new to write', () => {
    const long = sampleOf(hpa({ percent: 95 }), new Date(NOW.getTime() - 600_000));
    assert.equal(judge({ percent: 95 }, [long]).reason, 'Steady');
  });

  test('when a metric falls through the threshold', () => {
    assert.equal(judge({ percent: 90 }, past([50, 130, 125, 118, 110, 104, 97, 90])).reason, 'Steady');
  });

  test('when there never were metrics, which is how it comes to want none', () => {
    assert.equal(judge({ current: 4, desired: 0 }).reason, 'NoMetrics');
  });

  test('when a metric rises too slowly, falls, or jumped once', () => {
    assert.equal(judge({ percent: 60 }, past([56, 57, 58, 59, 60])).scaleOutNear, false);
    assert.equal(judge({ percent: 60 }, past([84, 78, 72, 66, 60])).scaleOutNear, false);
    assert.equal(judge({ percent: 60 }, past([60, 60, 84, 60, 60, 60])).scaleOutNear, false);
  });

  test('when the rise is long past', () => {
    const old = past([10, 30, 50, 70]).map((sample) => ({ ...sample, at: sample.at - 600_000 }));
    assert.equal(judge({ percent: 70 }, old).scaleOutNear, false);
  });

  test('by trend, with a horizon of nought', () => {
    const samples = past([20, 40, 60, 80]);
    assert.equal(evaluate(hpa({ percent: 80 }), samples, { ...OPTIONS, horizonMs: 0 }).scaleOutNear, false);
  });

  test('for an autoscaler that has just been made', () => {
    assert.equal(evaluate({ spec: { maxReplicas: 3 } }, [], OPTIONS).scaleOutNear, false);
  });
});

test('an autoscaler as the API server serves it is taken as it is', () => {
  const served = {
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      maxReplicas: 9,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      ],
    },
    status: {
      currentReplicas: 3,
      desiredReplicas: 3,
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 48, averageValue: '48m' } } },
      ],
    },
  } satisfies HorizontalPodAutoscaler;
  const history = new History();
  history.add(sampleOf(served, NOW));
  const seen = evaluate(served, history.samples(), OPTIONS);
  assert.deepEqual([seen.scaleOutNear, seen.currentReplicas, seen.expectedReplicas], [true, 3, 4]);
});
