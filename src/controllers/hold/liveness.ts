import type { Lease } from '../../kube/resources.ts';
import type { Changes } from '../../rewriting/fill.ts';
import type { Clock } from '../../runtime/clock.ts';
import { HEARTBEAT_MS } from './heartbeat.ts';

/** How long a renewal of the releaser's Lease counts. */
export const FRESH_MS = 3 * HEARTBEAT_MS;

/**
 * Whether a releaser is alive, from the watch of its Lease. Measured from when this process saw the Lease change, never from the
 * times in it, so that clocks which differ do no harm; so what is found at first says nothing yet.
 */
export function watchReleaser(lease: Changes<Lease>, clock: Clock): () => boolean {
  let renewTime: string | undefined;
  let renewedAt = -Infinity;
  lease.onChange(({ type, object }) => {
    const next = type === 'deleted' ? undefined : object.spec?.renewTime;
    if (type === 'deleted') {
      renewedAt = -Infinity;
    } else if (type === 'updated' && next !== renewTime) {
      renewedAt = clock.monotonic();
    }
    renewTime = next;
  });
  return () => clock.monotonic() - renewedAt < FRESH_MS;
}
