import { Counter, Histogram, type Registry } from 'prom-client';

/** What became of a request: a Pod was rewritten or left as it was, or the request was none that could be answered. */
export type AdmissionOutcome = 'rewritten' | 'skipped' | 'error';

/** Where admission counts. */
export interface AdmissionMetrics {
  /** One request was answered after `seconds`. `reason` is one of a fixed few words. */
  observe(outcome: AdmissionOutcome, reason: string, seconds: number): void;
}

/** Upper bounds in seconds: the handler does no I/O, so most answers take less than a millisecond. */
const BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2];

/** Counts into a Prometheus registry. */
export function prometheusMetrics(registry: Registry): AdmissionMetrics {
  const decisions = new Counter({
    name: 'slipstream_admission_decisions_total',
    help: 'Admission requests by what was decided, and why.',
    labelNames: ['decision', 'reason'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'slipstream_admission_duration_seconds',
    help: 'Time from the body of an admission request to its answer.',
    buckets: BUCKETS,
    registers: [registry],
  });
  return {
    observe(decision, reason, seconds) {
      decisions.inc({ decision, reason });
      duration.observe(seconds);
    },
  };
}
