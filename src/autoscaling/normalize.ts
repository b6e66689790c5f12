import { DOWNSCALE_STABILIZATION_MS, scaleDownLimit, scaleUpLimit } from './behavior.ts';
import type { Behavior, ScaleEvent, ScaleEvents } from './behavior.ts';

/** What the metrics proposed at a moment, before anything held it back. */
export interface Recommendation {
  readonly at: number;
  readonly replicas: number;
}

/** What the autoscaler remembers from round to round. */
export interface Memory {
  readonly recommendations: readonly Recommendation[];
  readonly events: ScaleEvents;
}

/** Bounds and rules of an autoscaler. */
export interface Bounds {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly behavior: Behavior;
}

/** The autoscaler's answer for one round, with the reasons that its conditions give. */
export interface Normalized {
  readonly desiredReplicas: number;
  /** Reason of AbleToScale. */
  readonly ableToScale: 'ReadyForNewScale' | 'ScaleUpStabilized' | 'ScaleDownStabilized';
  /** Reason of ScalingLimited, which is True for all but DesiredWithinRange. */
  readonly scalingLimited:
    'DesiredWithinRange' | 'ScaleUpLimit' | 'ScaleDownLimit' | 'TooManyReplicas' | 'TooFewReplicas';
}

/** The longest window and the longest period that the API admits. */
const LONGEST_WINDOW_MS = 3_600_000;
const LONGEST_PERIOD_MS = 1_800_000;

/** The memory of an autoscaler that has just begun, which is as if it had always wanted what there is. */
export function firstMemory(currentReplicas: number, now: number): Memory {
  return { recommendations: [{ at: now, replicas: currentReplicas }], events: { up: [], down: [] } };
}

/** Applies windows, policies and bounds to what the metrics propose (normalizeDesiredReplicas… in horizontal.go). */
export function normalize(
  proposal: number,
  currentReplicas: number,
  bounds: Bounds,
  memory: Memory,
  now: number,
): Normalized {
  const stabilized = stabilize(proposal, currentReplicas, bounds.behavior, memory.recommendations, now);
  const held =
    bounds.behavior !== undefined && proposal >= currentReplicas ? 'ScaleUpStabilized' : 'ScaleDownStabilized';
  return {
    ableToScale: stabilized === proposal ? 'ReadyForNewScale' : held,
    ...limit(stabilized, currentReplicas, bounds, memory.events, now),
  };
}

/** Memory after a round: with its recommendation, and its change where it scaled. What no window can reach is forgotten. */
export function remember(memory: Memory, proposal: number, change: number, now: number): Memory {
  const { up, down } = memory.events;
  const events = (kept: readonly ScaleEvent[], more: number): ScaleEvent[] => [
    ...kept.filter(({ at }) => at > now - LONGEST_PERIOD_MS),
    ...(more > 0 ? [{ at: now, change: more }] : []),
  ];
  const recent = memory.recommendations.filter(({ at }) => at >= now - LONGEST_WINDOW_MS);
  return {
    recommendations: [...recent, { at: now, replicas: proposal }],
    events: { up: events(up, change), down: events(down, -change) },
  };
}

function stabilize(
  proposal: number,
  currentReplicas: number,
  behavior: Behavior,
  recommendations: readonly Recommendation[],
  now: number,
): number {
  const since = (ms: number): number[] =>
    recommendations.filter(({ at }) => at > now - ms).map(({ replicas }) => replicas);
  if (behavior === undefined) {
    return Math.max(proposal, ...since(DOWNSCALE_STABILIZATION_MS));
  }
  const least = Math.min(proposal, ...since(behavior.up.stabilizationMs));
  const most = Math.max(proposal, ...since(behavior.down.stabilizationMs));
  return Math.min(most, Math.max(least, currentReplicas));
}

function limit(
  wanted: number,
  currentReplicas: number,
  { minReplicas, maxReplicas, behavior }: Bounds,
  events: ScaleEvents,
  now: number,
): Pick<Normalized, 'desiredReplicas' | 'scalingLimited'> {
  const most = scaleUpLimit(currentReplicas, behavior, events, now);
  // Without a behaviour the limits hold whichever way the number goes; with one only the way that it goes.
  if (wanted > currentReplicas || behavior === undefined) {
    if (wanted > Math.min(most, maxReplicas)) {
      return maxReplicas > most
        ? { desiredReplicas: most, scalingLimited: 'ScaleUpLimit' }
        : { desiredReplicas: maxReplicas, scalingLimited: 'TooManyReplicas' };
    }
  }
  if (wanted < currentReplicas || behavior === undefined) {
    const least = scaleDownLimit(currentReplicas, behavior, events, now);
    if (wanted < Math.max(least, minReplicas)) {
      return minReplicas < least
        ? { desiredReplicas: least, scalingLimited: 'ScaleDownLimit' }
        : { desiredReplicas: minReplicas, scalingLimited: 'TooFewReplicas' };
    }
  }
  return { desiredReplicas: wanted, scalingLimited: 'DesiredWithinRange' };
}
