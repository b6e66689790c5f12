import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Load } from './load.ts';
import { simulate } from './simulate.ts';
import type { SimulatedRound, Workload } from './simulate.ts';

const WORKLOAD: Workload = { targetPerPod: 10, minReplicas: 1, maxReplicas: 20, podStartMs: 30_000, windowMs: 15_000 };

/** Fifteen seconds for each value; the last goes on for `more` rounds. */
function rounds(values: readonly number[], more: number, workload: Partial<Workload> = {}): SimulatedRound[] {
  const last = values.at(-1) ?? 0;
  const load: Load = { startMs: 0, values: [...values, ...Array.from({ length: more }, () => last)] };
  return [...simulate(load, { ...WORKLOAD, ...workload })];
}

/** Sizes in order, with the seconds at which each was decided. */
function sizes(all: readonly SimulatedRound[]): [number, number][] {
  return all.flatMap(({ at, hpa: { status } }): [number, number][] =>
    status?.desiredReplicas === status?.currentReplicas ? [] : [[at / 1000, status?.desiredReplicas ?? 0]],
  );
}

test('a step of the load is seen half a minute later, and Pods that start make it no larger', () => {
  // From 8 to 70 at 60 s. At most four replicas, or twice as many, at a time; the new ones count as idle until they are measured.
  assert.deepEqual(sizes(rounds([8, 8, 8, 8, 70], 20)).slice(0, 2), [
    [90, 4],
    [105, 7],
  ]);
});

test('Pods that cannot take more do not show it, and the autoscaler needs more rounds', () => {
  const all = sizes(rounds([8, 8, 8, 8, 120], 60, { capacityPerPod: 15 }));
  assert.deepEqual(
    all.map(([, replicas]) => replicas),
    [2, 3, 5, 8, 12],
  );
});

test('it scales in five minutes after the load is gone', () => {
  const all = sizes(rounds([40, 40, 40, 40, 10], 40));
  assert.deepEqual(all, [[375, 1]]);
});

test('its own policies count', () => {
  const behavior = { scaleUp: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } };
  const all = sizes(rounds([8, 8, 8, 8, 40], 30, { behavior }));
  assert.deepEqual(
    all.map(([, replicas]) => replicas),
    [2, 3, 4],
  );
});

test('it never leaves its bounds, whatever the load', () => {
  for (const value of [0, -5, 1e12, Number.NaN]) {
    const all = rounds([5, 5, value], 30, { minReplicas: 2, maxReplicas: 6 });
    assert.ok(
      all.every(({ hpa: { status } }) => (status?.desiredReplicas ?? 0) >= 2 && (status?.desiredReplicas ?? 9) <= 6),
    );
  }
});
