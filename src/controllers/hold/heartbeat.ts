import type { Logger } from 'pino';
import type { KubeClient } from '../../kube/client.ts';
import { isAlreadyExists, isNotFound } from '../../kube/errors.ts';
import { microTime } from '../../kube/json.ts';
import { leases, type ObjectRef } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Runnable } from '../../runtime/manager.ts';

/** From one renewal of the releaser's Lease to the next. */
export const HEARTBEAT_MS = 5000;

export interface HeartbeatOptions {
  readonly client: Pick<KubeClient, 'create' | 'patch'>;
  readonly lease: ObjectRef;
  /** What tells this releaser from others, for people. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Why nobody should rely on this releaser; undefined when all is well. */
  readonly failure: () => string | undefined;
}

/**
 * Tells the webhooks that Pods may be held, as long as this releaser does its work: one that lets no Pods go tells nobody so.
 * Several renew one Lease, any of which will do. It is made at the start only: who takes it away turns holding off, until a
 * releaser starts again.
 */
export function createHeartbeat({ client, lease, identity, clock, log, failure }: HeartbeatOptions): Runnable {
  const spec = (): object => ({
    holderIdentity: identity,
    leaseDurationSeconds: (3 * HEARTBEAT_MS) / 1000,
    renewTime: microTime(clock.now()),
  });

  async function beat(made: boolean, signal: AbortSignal): Promise<boolean> {
    const found = failure();
    if (found !== undefined) {
      log.warn({ failure: found }, 'the Lease is not renewed, so that no further Pod is held');
      return made;
    }
    try {
      if (!made) {
        await client.create(leases, { metadata: lease, spec: spec() }, signal).catch((error: unknown) => {
          if (!isAlreadyExists(error)) {
            throw error;
          }
        });
      }
      await client.patch(leases, lease, { spec: spec() }, 'application/merge-patch+json', {}, signal);
      return true;
    } catch (error) {
      if (signal.aborted) {
        return made;
      }
      const why = isNotFound(error) ? 'holding was turned off: its Lease was deleted' : 'the Lease cannot be renewed';
      log.warn({ err: error }, why);
      return made;
    }
  }

  return {
    name: 'heartbeat',
    async run(signal) {
      let made = false;
      while (!signal.aborted) {
        made = await beat(made, signal);
        await clock.sleep(HEARTBEAT_MS, signal).catch(() => undefined);
      }
    },
  };
}
