import type { TRIGGERS } from '../api/v1alpha1/prefetchpolicy.ts';
import type { Evaluation } from './evaluate.ts';

/** What can point to Pods that will soon be created. */
export type Trigger = (typeof TRIGGERS)[number];

/** That a trigger saw a reason to warm. */
export interface Sign {
  readonly trigger: Trigger;
  /** Which signal of the trigger it is, CamelCase. */
  readonly reason: string;
  /** The same for a person, with the figures. */
  readonly message: string;
  readonly currentReplicas: number;
  readonly expectedReplicas: number;
  /** When the Pods are expected, if the trigger knows. */
  readonly expectedBy?: Date | undefined;
}

/** Whether a trigger foretells a scale-out, so that it can be right or wrong; the others prepare for Pods that may come. */
export function foretells(trigger: Trigger): boolean {
  return trigger === 'Autoscaler' || trigger === 'Schedule' || trigger === 'Forecast';
}

/** What an autoscaler and its metrics say, as a sign; undefined when no scale-out is near. */
export function autoscalerSign(evaluation: Evaluation): Sign | undefined {
  const { scaleOutNear, reason, message, currentReplicas, expectedReplicas } = evaluation;
  return scaleOutNear ? { trigger: 'Autoscaler', reason, message, currentReplicas, expectedReplicas } : undefined;
}

/**
 * Several signs as one, max(reactive, predicted): the first speaks, and as many replicas are expected as any of them says. A
 * sign that foretells a scale-out speaks before one that does not.
 */
export function combine(signs: readonly Sign[]): Sign | undefined {
  const [first] = signs.toSorted((a, b) => Number(foretells(b.trigger)) - Number(foretells(a.trigger)));
  return first && { ...first, expectedReplicas: Math.max(...signs.map((sign) => sign.expectedReplicas)) };
}
