import { scaleUpLimit, SYNC_PERIOD_MS } from './behavior.ts';
import type { Behavior, ScaleEvent } from './behavior.ts';
import type { Facts } from './facts.ts';
import { toReplicas } from './replicas.ts';

/** Rounding errors of `replicas × ratio` must not cost a whole replica. */
const EPSILON = 1e-9;

/**
 * Replicas that the scale-out which is near leads to: what the autoscaler's formula says of its metrics as they are or are
 * foreseen, as far as its policies let it go within the horizon, and within its bounds. At least what it already wants; and
 * before it wants anything, at least what the ratio at which it acts leads to.
 */
export function expectedReplicas(facts: Facts): number {
  const { currentReplicas, desiredReplicas, minReplicas, maxReplicas, tolerances, behavior, horizonMs } = facts;
  const acting = desiredReplicas > currentReplicas ? 1 : 1 + tolerances.up;
  const foreseen = toReplicas(currentReplicas * Math.max(acting, facts.rising?.ratio ?? 0) - EPSILON);
  const wanted = Math.max(currentReplicas + 1, foreseen, facts.proposal ?? 0);
  const reach = scaleUpReach(Math.max(currentReplicas, desiredReplicas), behavior, horizonMs, maxReplicas);
  return Math.min(maxReplicas, Math.max(minReplicas, desiredReplicas, Math.min(wanted, reach)));
}

/**
 * The most replicas that an autoscaler can have made of `replicas` after `withinMs`, round by round, up to `enough`. What it
 * did before is not known here, so its policies count from now on.
 */
export function scaleUpReach(replicas: number, behavior: Behavior, withinMs: number, enough: number): number {
  const up: ScaleEvent[] = [];
  let reach = replicas;
  for (let at = 0; at <= withinMs && reach < enough; at += SYNC_PERIOD_MS) {
    const next = scaleUpLimit(reach, behavior, { up, down: [] }, at);
    up.push({ at, change: next - reach });
    reach = next;
  }
  return reach;
}
