import { Counter, Histogram, type Registry } from 'prom-client';
import type { ReleaseReason } from '../../holding/reasons.ts';

/** Upper bounds in seconds, up to the longest hold. */
const BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300];

/** What is counted of Pods that wait. */
export interface HoldMetrics {
  /** A new Pod was given the gate. */
  held(): void;
  /** This process let one go, after `seconds`. */
  released(reason: ReleaseReason, seconds: number): void;
}

/** Registers the metrics of holding. */
export function holdMetrics(registry: Registry): HoldMetrics {
  const registers = [registry];
  const holds = new Counter({
    name: 'slipstream_holds_total',
    help: 'New Pods that were given the scheduling gate.',
    registers,
  });
  const releases = new Counter({
    name: 'slipstream_hold_releases_total',
    help: 'Pods that this process let go, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const seconds = new Histogram({
    name: 'slipstream_hold_seconds',
    help: 'How long Pods that this process let go had waited.',
    labelNames: ['reason'],
    buckets: BUCKETS,
    registers,
  });
  return {
    held: () => holds.inc(),
    released(reason, waited) {
      releases.inc({ reason });
      seconds.observe({ reason }, waited);
    },
  };
}
