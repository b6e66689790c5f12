import { Counter, Histogram, type Registry } from 'prom-client';
import { phasesOf, podPhasesOf } from '../../scaleout/phases.ts';
import type { Timeline } from '../../scaleout/timeline.ts';

/**
 * How an observation ended: all new Pods were Ready, or ten minutes were over, or the Pods were not watched, as too many
 * scale-outs came together or the API server did not let them be.
 */
export type ScaleOutResult = 'ready' | 'unfinished' | 'skipped';

/** Where scale-outs are measured. */
export interface ScaleOutMetrics {
  /** An observation ended, with what was seen. */
  observe(result: ScaleOutResult, timeline: Timeline): void;
}

/** Upper bounds in seconds: from a Pod on a warm node to an image of many gigabytes over a slow line. */
const BUCKETS = [0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600];

/** Below zero the warm came too late. */
const LEAD_BUCKETS = [-300, -120, -60, -30, -15, -5, 0, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200];

/** Measures into a Prometheus registry. */
export function scaleOutMetrics(registry: Registry): ScaleOutMetrics {
  const total = new Counter({
    name: 'slipstream_scaleouts_total',
    help: 'Scale-outs of workloads with a PrefetchPolicy, by how far they were followed: ready, unfinished, skipped.',
    labelNames: ['result'],
    registers: [registry],
  });
  const phase = new Histogram({
    name: 'slipstream_scaleout_phase_seconds',
    help: 'Time that a part of a scale-out took, by phase.',
    labelNames: ['phase'],
    buckets: BUCKETS,
    registers: [registry],
  });
  const lead = new Histogram({
    name: 'slipstream_scaleout_lead_seconds',
    help: 'Time from warm verified to the first new Pod; negative if the Pod came first, so the sum may go down.',
    buckets: LEAD_BUCKETS,
    registers: [registry],
  });
  // Two clocks may differ, and a sum must not go down.
  const measure = (name: string, seconds: number | undefined): void => {
    if (seconds !== undefined) {
      phase.observe({ phase: name }, Math.max(0, seconds));
    }
  };
  return {
    observe(result, timeline) {
      total.inc({ result });
      if (result === 'skipped') {
        return;
      }
      const phases = phasesOf(timeline);
      measure('decision_to_warm_started', phases.decisionToWarmStarted);
      measure('warm', phases.warm);
      measure('scaled_to_all_ready', phases.scaledToAllReady);
      for (const pod of timeline.pods) {
        const { scaledToCreated, createdToStarted, createdToReady } = podPhasesOf(pod, timeline);
        measure('scaled_to_pod_created', scaledToCreated);
        measure('pod_created_to_started', createdToStarted);
        measure('pod_created_to_ready', createdToReady);
      }
      if (phases.lead !== undefined) {
        lead.observe(phases.lead);
      }
    },
  };
}
