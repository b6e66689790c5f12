import { Counter, Gauge, type Registry } from 'prom-client';
import type { PrefetchPolicy, PrefetchPolicyStatus, WarmImage } from '../../api/v1alpha1/prefetchpolicy.ts';
import { keptDecisions } from '../../autoscaling/decision.ts';
import { isWarmedBefore, newlySettled } from '../../autoscaling/evidence.ts';

/** What is counted of all policies together: names of objects would make a series each. */
export interface PrefetchMetrics {
  /** Counts what a pass over a policy brought. */
  observe(before: PrefetchPolicyStatus, after: PrefetchPolicyStatus): void;
}

/**
 * Registers the metrics of PrefetchPolicies.
 * @param policies those of now, which the gauges are read from
 */
export function prefetchMetrics(registry: Registry, policies: () => readonly PrefetchPolicy[]): PrefetchMetrics {
  const registers = [registry];
  registerGauges(registry, policies);
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
  const found = new Counter({
    name: 'slipstream_prefetch_found_bytes_total',
    help: 'Bytes that decisions to warm found on every seed peer already.',
    registers,
  });
  const evictions = new Counter({
    name: 'slipstream_prefetch_evictions_total',
    help: 'How often a seed peer had all of an image, and later not any more.',
    registers,
  });
  return {
    observe(before, after) {
      const known = new Map(keptDecisions(before).map((decision) => [decision.at, decision]));
      for (const { at, trigger, reason, bytes = 0, bytesFound = 0 } of keptDecisions(after)) {
        if (!known.has(at)) {
          decisions.inc({ trigger, reason });
        }
        warmed.inc(Math.max(0, bytes - (known.get(at)?.bytes ?? 0)));
        found.inc(Math.max(0, bytesFound - (known.get(at)?.bytesFound ?? 0)));
      }
      evictions.inc(countEvictions(before.images ?? [], after.images ?? []));
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

/** Pairs of image and seed peer of which the peer was said to have all before, and to have lost something now. */
function countEvictions(before: readonly WarmImage[], after: readonly WarmImage[]): number {
  return after.reduce((sum, { digest, platform, seeds = [] }) => {
    const earlier = before.find((image) => image.digest === digest && image.platform === platform)?.seeds ?? [];
    const had = new Set(earlier.filter(({ reason }) => reason !== 'Evicted').map(({ name }) => name));
    return sum + seeds.filter(({ name, reason }) => reason === 'Evicted' && had.has(name)).length;
  }, 0);
}

/** Read from the objects when they are asked for, so that no series outlives what it is about. */
function registerGauges(registry: Registry, policies: () => readonly PrefetchPolicy[]): void {
  const images = (): WarmImage[] => policies().flatMap(({ status }) => status?.images ?? []);
  const registers = [registry];
  const wanted = new Gauge({
    name: 'slipstream_prefetch_image_bytes',
    help: 'Bytes of each image that a PrefetchPolicy warms.',
    labelNames: ['image', 'platform'],
    registers,
    collect() {
      wanted.reset();
      for (const { image, platform, bytes } of images()) {
        wanted.set({ image, platform }, bytes);
      }
    },
  });
  const warm = new Gauge({
    name: 'slipstream_prefetch_image_warm_bytes',
    help: 'Bytes of each of these images that a seed peer has, as was last read back.',
    labelNames: ['image', 'platform', 'seed'],
    registers,
    collect() {
      warm.reset();
      for (const { image, platform, seeds = [] } of images()) {
        for (const { name, bytes } of seeds) {
          warm.set({ image, platform, seed: name }, bytes);
        }
      }
    },
  });
}
