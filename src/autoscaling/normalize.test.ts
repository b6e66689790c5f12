import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { behaviorOf } from './behavior.ts';
import type { Behavior, ScaleEvent, ScalingRulesSpec } from './behavior.ts';
import { firstMemory, normalize, remember } from './normalize.ts';
import type { Memory, Normalized } from './normalize.ts';

// The facts are those of horizontal_test.go of Kubernetes 1.36.

const NOW = 10_000_000;

/** So many Pods per period and so many per cent per period, as far as they are not nought. */
function rules(pods: number, podsPeriod: number, percent: number, percentPeriod: number): ScalingRulesSpec {
  return {
    stabilizationWindowSeconds: 0,
    policies: [
      { type: 'Pods', value: pods, periodSeconds: podsPeriod },
      { type: 'Percent', value: percent, periodSeconds: percentPeriod },
    ].filter(({ value }) => value > 0),
  };
}

interface Case {
  min?: number;
  max?: number;
  current: number;
  wanted: number;
  up?: ScalingRulesSpec;
  down?: ScalingRulesSpec;
  /** Replicas added, and taken away, at even times of the last two minutes. */
  added?: number[];
  removed?: number[];
  behavior?: Behavior;
}

function spread(changes: readonly number[] = []): ScaleEvent[] {
  const step = 120_000 / changes.length;
  return changes.map((change, i) => ({ at: NOW - (120_000 - step * (i + 1) + step / 2), change }));
}

function limited(given: Case): [number, Normalized['scalingLimited']] {
  const { min = 1, max = 1000, current, wanted, up = {}, down = {}, added, removed } = given;
  const behavior =
    'behavior' in given
      ? given.behavior
      : behaviorOf({ scaleUp: up, scaleDown: { stabilizationWindowSeconds: 0, ...down } });
  const memory: Memory = { recommendations: [], events: { up: spread(added), down: spread(removed) } };
  const { desiredReplicas, scalingLimited } = normalize(
    wanted,
    current,
    { minReplicas: min, maxReplicas: max, behavior },
    memory,
    NOW,
  );
  return [desiredReplicas, scalingLimited];
}

describe('policies and bounds', () => {
  const cases: [string, Case, number, Normalized['scalingLimited']][] = [
    ['within the range', { current: 5, wanted: 7, min: 3, max: 8 }, 7, 'DesiredWithinRange'],
    ['below the minimum', { current: 3, wanted: 1, min: 2, max: 8 }, 2, 'TooFewReplicas'],
    ['down to nought where that is the minimum', { current: 1, wanted: 0, min: 0, max: 10 }, 0, 'DesiredWithinRange'],
    ['above the maximum', { current: 100, wanted: 1000, min: 100, max: 150 }, 150, 'TooManyReplicas'],
    ['by default twice as many', { current: 10, wanted: 50 }, 20, 'ScaleUpLimit'],
    ['by default four more, of few', { current: 2, wanted: 50 }, 6, 'ScaleUpLimit'],
    ['one Pod at a time', { current: 3, wanted: 1000, up: rules(1, 60, 0, 0) }, 4, 'ScaleUpLimit'],
    ['Pods, the larger', { current: 10, wanted: 500, up: rules(100, 60, 100, 60) }, 110, 'ScaleUpLimit'],
    ['per cent, the larger', { current: 10, wanted: 500, up: rules(2, 60, 100, 60) }, 20, 'ScaleUpLimit'],
    [
      'the smaller, with Min',
      { current: 10, wanted: 500, up: { ...rules(2, 60, 100, 60), selectPolicy: 'Min' } },
      12,
      'ScaleUpLimit',
    ],
    ['not at all, with Disabled', { current: 10, wanted: 500, up: { selectPolicy: 'Disabled' } }, 10, 'ScaleUpLimit'],
    ['a share of few, rounded up', { current: 2, wanted: 9, up: rules(0, 0, 10, 60) }, 3, 'ScaleUpLimit'],
    ['more than is wanted', { current: 10, wanted: 50, up: rules(100, 60, 0, 0) }, 50, 'DesiredWithinRange'],
    [
      'counted from the start of the period',
      { current: 100, wanted: 500, up: rules(150, 120, 0, 0), added: [1, 5, 9] },
      235,
      'ScaleUpLimit',
    ],
    [
      'by per cent from the start of the period',
      { current: 100, wanted: 500, up: rules(0, 0, 200, 120), added: [1, 5, 9] },
      255,
      'ScaleUpLimit',
    ],
    [
      'with what was taken away in the period',
      { current: 6, wanted: 24, up: rules(0, 0, 300, 300), added: [4], removed: [2] },
      16,
      'ScaleUpLimit',
    ],
    [
      'none, when the period has had its share',
      { current: 100, wanted: 500, up: rules(5, 120, 0, 0), added: [1, 5, 9] },
      100,
      'ScaleUpLimit',
    ],
    ['Pods down', { current: 1000, wanted: 3, min: 3, down: rules(20, 60, 0, 0) }, 980, 'ScaleDownLimit'],
    ['per cent down', { current: 100, wanted: 2, down: rules(20, 60, 1, 60) }, 80, 'ScaleDownLimit'],
    ['not down, with Disabled', { current: 10, wanted: 2, down: { selectPolicy: 'Disabled' } }, 10, 'ScaleDownLimit'],
    [
      'not down, when the period has had its share',
      { current: 100, wanted: 2, down: rules(5, 120, 0, 0), removed: [1, 5, 9] },
      100,
      'ScaleDownLimit',
    ],
    ['down to the minimum', { current: 10, wanted: 2, min: 5, down: rules(0, 0, 100, 60) }, 5, 'TooFewReplicas'],
    // Without spec.behavior the limits are fixed, and four replicas is not four more.
    ['without a behaviour, twice as many', { current: 3, wanted: 1000, behavior: undefined }, 6, 'ScaleUpLimit'],
    ['without a behaviour, at least four', { current: 1, wanted: 1000, behavior: undefined }, 4, 'ScaleUpLimit'],
    [
      'without a behaviour, at most the maximum',
      { current: 20, wanted: 1000, max: 10, behavior: undefined },
      10,
      'TooManyReplicas',
    ],
    ['without a behaviour, from nought', { current: 0, wanted: 9, min: 0, behavior: undefined }, 4, 'ScaleUpLimit'],
  ];
  for (const [name, given, replicas, reason] of cases) {
    test(name, () => {
      assert.deepEqual(limited(given), [replicas, reason]);
    });
  }
});

function told(
  wanted: number,
  current: number,
  behavior: Behavior,
  past: [secondsAgo: number, replicas: number][],
): Normalized {
  const memory: Memory = {
    recommendations: past.map(([seconds, replicas]) => ({ at: NOW - seconds * 1000, replicas })),
    events: { up: [], down: [] },
  };
  return normalize(wanted, current, { minReplicas: 1, maxReplicas: 1000, behavior }, memory, NOW);
}

describe('stabilization', () => {
  const slow = behaviorOf({ scaleUp: { stabilizationWindowSeconds: 60 } });

  test('a scale-in takes the highest of the last five minutes', () => {
    for (const behavior of [undefined, behaviorOf({})]) {
      const held = told(2, 8, behavior, [
        [400, 9],
        [200, 6],
      ]);
      assert.deepEqual([held.desiredReplicas, held.ableToScale], [6, 'ScaleDownStabilized']);
    }
  });

  test('a scale-out waits for no one by default', () => {
    assert.equal(told(6, 4, behaviorOf({}), [[10, 4]]).desiredReplicas, 6);
  });

  test('a scale-out with a window takes the lowest within it', () => {
    const held = told(9, 4, slow, [
      [80, 1],
      [50, 6],
      [10, 12],
    ]);
    assert.deepEqual([held.desiredReplicas, held.ableToScale], [6, 'ScaleUpStabilized']);
  });

  test('a dip within the window puts a scale-out off', () => {
    const held = told(9, 4, slow, [[30, 3]]);
    assert.deepEqual([held.desiredReplicas, held.ableToScale], [4, 'ScaleUpStabilized']);
  });
});

test('what an autoscaler remembers stays bounded, whatever it goes through in a week', () => {
  let memory = firstMemory(1, 0);
  for (let round = 1; round <= 40_000; round++) {
    memory = remember(memory, round % 7, round % 3 === 0 ? 2 : -1, round * 15_000);
  }
  assert.ok(memory.recommendations.length <= 242);
  assert.ok(memory.events.up.length + memory.events.down.length <= 122);
});
