import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide, recordScaleOut } from '../autoscaling/decision.ts';
import type { Decision } from '../api/v1alpha1/prefetchpolicy.ts';
import { evaluate } from '../autoscaling/evaluate.ts';
import { History, sampleOf } from '../autoscaling/history.ts';
import type { HpaFacts } from '../autoscaling/metrics.ts';
import { autoscalerSign } from '../autoscaling/sign.ts';

// A day of an autoscaler that behaves badly, by a clock that does too: whatever happens, decisions and memory stay bounded.

const ROUND = 15_000;
const DAY_ROUNDS = 5760;
const COOLDOWN = 300_000;
const MOST_A_DAY = (DAY_ROUNDS * ROUND) / COOLDOWN + 1;

function hpa(ratio: number | undefined, current = 10, desired = current): HpaFacts {
  const metric = { name: 'load' };
  const averageValue = String(ratio === undefined ? undefined : ratio * 100);
  return {
    spec: {
      minReplicas: 1,
      maxReplicas: 100,
      metrics: [{ type: 'Pods', pods: { metric, target: { type: 'AverageValue', averageValue: '100' } } }],
    },
    status: {
      currentReplicas: current,
      desiredReplicas: desired,
      currentMetrics: ratio === undefined ? null : [{ type: 'Pods', pods: { metric, current: { averageValue } } }],
    },
  };
}

/** Plays rounds; returns when decisions were taken, and the most samples that were ever kept. */
function play(rounds: Iterable<{ at: number; hpa: HpaFacts; replaced?: boolean }>): {
  decisions: number[];
  most: number;
} {
  let history = new History();
  let standing: Decision | undefined;
  const decisions: number[] = [];
  let most = 0;
  for (const { at, hpa: seen, replaced } of rounds) {
    history = replaced === true ? new History() : history;
    const now = new Date(at);
    history.add(sampleOf(seen, now));
    most = Math.max(most, history.samples().length);
    const evaluation = evaluate(seen, history.samples(), { threshold: 0.85, horizonMs: 60_000, now });
    assert.ok(evaluation.expectedReplicas >= 0 && evaluation.expectedReplicas <= 100);
    const after = decide(recordScaleOut(standing, seen), autoscalerSign(evaluation), COOLDOWN, now);
    if (after !== undefined && after.at !== standing?.at) {
      decisions.push(at);
    }
    standing = after;
  }
  return { decisions, most };
}

function* day(ratioAt: (round: number) => number | undefined): Generator<{ at: number; hpa: HpaFacts }> {
  for (let round = 0; round < DAY_ROUNDS; round++) {
    yield { at: round * ROUND, hpa: hpa(ratioAt(round)) };
  }
}

describe('no storm', () => {
  test('when a metric flaps around the threshold for a day', () => {
    const { decisions, most } = play(day((round) => (round % 2 === 0 ? 0.8 : 0.9)));
    assert.ok(decisions.length <= 1, `${decisions.length} decisions`);
    assert.ok(most <= 80);
  });

  test('when a metric stays where a big autoscaler keeps it', () => {
    assert.equal(play(day((round) => 0.95 + 0.04 * Math.sin(round / 20))).decisions.length, 1);
  });

  test('when a metric swings as wildly as it can', () => {
    const { decisions, most } = play(day((round) => [0.1, 5, 0, 0.9][round % 4]));
    assert.ok(decisions.length <= MOST_A_DAY, `${decisions.length} decisions`);
    assert.ok(most <= 80);
  });

  test('when metrics are gone and back each few minutes', () => {
    const { decisions } = play(day((round) => (round % 20 < 10 ? undefined : 0.9)));
    assert.ok(decisions.length <= MOST_A_DAY, `${decisions.length} decisions`);
  });

  test('when the autoscaler is replaced by another each minute', () => {
    const rounds = [...day(() => 0.9)].map((round, i) => ({ ...round, replaced: i % 4 === 0 }));
    const { decisions } = play(rounds);
    assert.ok(decisions.length <= MOST_A_DAY, `${decisions.length} decisions`);
  });

  test('when the clock jumps back and forth', () => {
    const jumps = [0, 3_600_000, -1_800_000, 86_400_000, -80_000_000];
    const rounds = [...day((round) => 0.5 + 0.5 * Math.sin(round / 7))].map(({ at, hpa: seen }, i) => ({
      at: 200_000_000 + at + (jumps[Math.floor(i / 100) % jumps.length] ?? 0),
      hpa: seen,
    }));
    const { decisions, most } = play(rounds);
    // Each jump may cost one decision beside the bound.
    assert.ok(decisions.length <= MOST_A_DAY + DAY_ROUNDS / 100, `${decisions.length} decisions`);
    assert.ok(most <= 80);
  });

  test('and no blindness, when a clock was a day ahead for a while', () => {
    const rush = (round: number): number => 0.3 + 0.02 * Math.max(0, round - 100);
    const rounds = [...day(rush)].slice(0, 140).map(({ at, hpa: seen }, i) => ({
      at: i < 50 ? at + 86_400_000 : at,
      hpa: seen,
    }));
    assert.equal(play(rounds).decisions.length, 1);
  });

  test('when values are absurd, negative or no numbers', () => {
    const values = [Number.NaN, -3, 1e30, 0, -1e30, Infinity, 0.5];
    const { decisions } = play(day((round) => values[round % values.length]));
    assert.ok(decisions.length <= MOST_A_DAY, `${decisions.length} decisions`);
  });
});
