import { Counter, type Registry } from 'prom-client';
import type { PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import { keptDecisions } from '../../autoscaling/decision.ts';
import { isWarmedBefore, newlySettled } from '../../autoscaling/evidence.ts';

/** What is counted of all policies together: names of objects would make a series each. */
export interface PrefetchMetrics {
  /** Counts what a pass over a policy brought. */
  observe(before: PrefetchPolicyStatus, after: PrefetchPolicyStatus): void;
}

/** Registers the metrics of PrefetchPolicies. */
export function prefetchMetrics(registry: Registry): PrefetchMetrics {
  const registers = [registry];
  const decisions = new Counter({
    name: 'slipstream_prefetch_decisions_total',
    help: 'Decisions to warm, by trigger and reason.',
    labelNames: ['trigger', 'reason'],
    registers,
  });
  const outcomes = new Counter({
    name: 'slipstream_prefetch_outcomes_total',
    help: 'Decisions whose outcome became known, by trigger and outcome (Foreseen, TooLate, FalseAlarm, Prepared).',
    labelNames: ['trigger', 'outcome'],
    registers,
  });
  const scaleOuts = new Counter({
    name: 'slipstream_prefetch_scale_outs_total',
    help: 'Decisions that a scale-out followed, by whether its images were verified warm before it.',
    labelNames: ['warm_before'],
    registers,
  });
  const warmed = new Counter({
    name: 'slipstream_prefetch_warmed_bytes_total',
    help: 'Bytes that warms brought to the seed peers.',
    registers,
  });
  const wasted = new Counter({
    name: 'slipstream_prefetch_wasted_bytes_total',
    help: 'Those of them that were warmed for false alarms.',
    registers,
  });
  return {
    observe(before, after) {
      const known = new Map(keptDecisions(before).map((decision) => [decision.at, decision]));
      for (const { at, trigger, reason, bytes = 0 } of keptDecisions(after)) {
        if (!known.has(at)) {
          decisions.inc({ trigger, reason });
        }
        warmed.inc(Math.max(0, bytes - (known.get(at)?.bytes ?? 0)));
      }
      for (const decision of newlySettled(keptDecisions(before), keptDecisions(after))) {
        const { trigger, outcome = '', scaledAt, bytes = 0 } = decision;
        outcomes.inc({ trigger, outcome });
        if (scaledAt !== undefined) {
          scaleOuts.inc({ warm_before: String(isWarmedBefore(decision)) });
        }
        if (outcome === 'FalseAlarm') {
          wasted.inc(bytes);
        }
      }
    },
  };
}
