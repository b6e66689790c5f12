import type { Logger } from 'pino';
import { loadKubeClient } from '../../kube/client.ts';
import { createHealthServer } from '../../observability/http.ts';
import { controllerMetrics, createMetricsRegistry } from '../../observability/metrics.ts';
import { systemClock } from '../../runtime/clock.ts';
import { Manager } from '../../runtime/manager.ts';
import { createHeartbeat } from './heartbeat.ts';
import { holdMetrics } from './metrics.ts';
import { createReleaser, heldPods } from './releaser.ts';
import { stopHolding } from './stop.ts';
import { createSweeper } from './sweep.ts';

/** An API server that hangs must not keep a worker from the next Pod for long. */
const CALL_TIMEOUT_MS = 10_000;
/** A Pod that is still held this long after its time says that the releaser does not do its work. */
const OVERDUE_MS = 5000;

export interface ReleaseOptions {
  /** The operator's own namespace, in which the Lease is. */
  namespace: string;
  /** Name of the Lease. */
  lease: string;
  identity: string;
  kubeconfig?: string | undefined;
  healthPort: number;
  /** Turn holding off and end, in place of running. */
  stop: boolean;
  userAgent: string;
  log: Logger;
}

/**
 * Lets Pods go that have been held as long as they may, until the signal. It knows nothing but Pods and their labels, so that
 * it does its work whatever state the operator is in.
 */
export async function runReleaseCommand(options: ReleaseOptions, signal: AbortSignal): Promise<void> {
  const { namespace, identity, log, userAgent, kubeconfig } = options;
  const clock = systemClock;
  const lease = { namespace, name: options.lease };
  const client = loadKubeClient({ kubeconfig, userAgent, callTimeoutMs: CALL_TIMEOUT_MS });
  try {
    if (options.stop) {
      await stopHolding({ client, clock, log }, lease, signal);
      return;
    }
    const registry = createMetricsRegistry();
    const counters = holdMetrics(registry);
    const pods = heldPods(client, clock, log);
    const releaser = createReleaser({
      client,
      pods,
      clock,
      log,
      metrics: controllerMetrics(registry),
      // Never before the operator, which can say why, and has counted from the whole second in which the Pod was created.
      roundingMs: 1000,
      released: (_pod, reason, seconds) => counters.released(reason, seconds),
    });
    const failure = (): string | undefined => {
      const late = releaser.overdue(OVERDUE_MS).length;
      return late === 0 ? undefined : `${late} Pods are held longer than they may be`;
    };
    const manager = new Manager({ clock, log });
    manager.add(
      'http',
      createHealthServer({
        host: '0.0.0.0',
        port: options.healthPort,
        registry,
        healthy: [],
        ready: [
          {
            name: 'started',
            failure: () => (manager.ready ? undefined : 'the cache is filling, or the process is stopping'),
          },
          { name: 'releases', failure },
        ],
        log,
      }),
    );
    manager.add('cache', { name: pods.name, run: (s) => pods.run(s), ready: (s) => pods.waitForSync(s) });
    manager.add('always', releaser.controller);
    manager.add('always', createSweeper(client, clock, log));
    manager.add('always', createHeartbeat({ client, lease, identity, clock, log, failure }));
    await manager.start(signal);
  } finally {
    await client.close();
  }
}
