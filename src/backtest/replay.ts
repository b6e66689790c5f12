import { decide, recordScaleOut } from '../autoscaling/decision.ts';
import type { Decision } from '../api/v1alpha1/prefetchpolicy.ts';
import { evaluate } from '../autoscaling/evaluate.ts';
import { History, sampleOf } from '../autoscaling/history.ts';
import { autoscalerSign } from '../autoscaling/sign.ts';
import type { SimulatedRound } from './simulate.ts';

/** What a PrefetchPolicy sets of its decisions. */
export interface PolicySettings {
  readonly threshold: number;
  readonly horizonMs: number;
  readonly cooldownMs: number;
}

/** Times, in milliseconds since the epoch. */
export interface Replayed {
  /** Rounds in which the autoscaler added replicas; their Pods are created at once. */
  readonly scaleOuts: readonly number[];
  /** When each set of settings decided to warm, in their order; what is decided again within the cooldown warms nothing. */
  readonly decisions: readonly (readonly number[])[];
}

/** Replays an autoscaler's rounds through the functions of the controller: history, evaluation, decision. */
export function replay(rounds: Iterable<SimulatedRound>, policies: readonly PolicySettings[]): Replayed {
  const history = new History();
  const scaleOuts: number[] = [];
  const decisions: number[][] = policies.map(() => []);
  const standing: (Decision | undefined)[] = policies.map(() => undefined);
  for (const { at, hpa } of rounds) {
    const now = new Date(at);
    history.add(sampleOf(hpa, now));
    if ((hpa.status?.desiredReplicas ?? 0) > (hpa.status?.currentReplicas ?? 0)) {
      scaleOuts.push(at);
    }
    const samples = history.samples();
    for (const [i, policy] of policies.entries()) {
      const evaluation = evaluate(hpa, samples, { ...policy, now });
      const before = recordScaleOut(standing[i], hpa);
      const after = decide(before, autoscalerSign(evaluation), policy.cooldownMs, now);
      const warmed = decisions[i]?.at(-1) ?? -Infinity;
      if (after !== undefined && after.at !== before?.at && at - warmed >= policy.cooldownMs) {
        decisions[i]?.push(at);
      }
      standing[i] = after;
    }
  }
  return { scaleOuts, decisions };
}
