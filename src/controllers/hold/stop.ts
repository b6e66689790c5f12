import type { Logger } from 'pino';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { leases, type ObjectRef } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import { FRESH_MS } from './liveness.ts';
import { sweep } from './sweep.ts';

/** Until no webhook takes the releaser for alive any more, and what it has admitted by then is there. */
const SETTLE_MS = FRESH_MS + 5000;
const PAUSE_MS = 1000;

/**
 * Turns holding off, as before an uninstallation: takes the releaser's Lease away, so that no further Pod is held, and lets every
 * Pod go at once until none can come any more.
 * @throws what the API server refuses: then something would be left behind
 */
export async function stopHolding(
  { client, clock, log }: { client: KubeClient; clock: Clock; log: Logger },
  lease: ObjectRef,
  signal: AbortSignal,
): Promise<void> {
  await client.delete(leases, lease, {}, signal).catch((error: unknown) => {
    if (!isNotFound(error)) {
      throw error;
    }
  });
  log.info({ lease: lease.name }, 'holding is turned off');
  const end = clock.monotonic() + SETTLE_MS;
  let released = 0;
  while (clock.monotonic() < end) {
    released += await sweep(client, () => true, signal);
    await clock.sleep(PAUSE_MS, signal);
  }
  released += await sweep(client, () => true, signal);
  log.info({ released }, 'no Pod is held any more');
}
