import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { ControllerMetrics } from '../runtime/controller.ts';

/** Seconds: from a reconcile that finds nothing to do to one that waits for a registry. */
const RECONCILE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A registry of metrics of its own, with those of the process (memory, CPU, event loop, garbage collection) in it. */
export function createMetricsRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** The metrics of every controller, registered once per registry. */
export function controllerMetrics(registry: Registry): ControllerMetrics {
  const total = new Counter({
    name: 'slipstream_reconcile_total',
    help: 'Reconciles that ended, by controller and result.',
    labelNames: ['controller', 'result'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'slipstream_reconcile_duration_seconds',
    help: 'Time that one reconcile took, by controller.',
    labelNames: ['controller'],
    buckets: RECONCILE_BUCKETS,
    registers: [registry],
  });
  const depths = new Map<string, () => number>();
  registry.registerMetric(
    new Gauge({
      name: 'slipstream_workqueue_depth',
      help: 'Keys that wait for a worker, by controller.',
      labelNames: ['controller'],
      registers: [],
      collect() {
        for (const [controller, read] of depths) {
          this.set({ controller }, read());
        }
      },
    }),
  );
  return {
    observe(controller, result, seconds) {
      total.inc({ controller, result });
      duration.observe({ controller }, seconds);
    },
    queueDepth(controller, read) {
      depths.set(controller, read);
    },
  };
}
