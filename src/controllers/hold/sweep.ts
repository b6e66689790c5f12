import type { Logger } from 'pino';
import { isHeld, longestHoldMs } from '../../holding/bound.ts';
import type { KubeClient } from '../../kube/client.ts';
import { pods, type Pod } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Runnable } from '../../runtime/manager.ts';
import { releasePod } from './release.ts';

/** How often Pods are looked for that have the gate, and no label to be found by. */
const SWEEP_MS = 60_000;
const PAGE = 500;

/**
 * Releases every Pod at our gate that `wanted` says, found without its label. Reads all Pods that are not scheduled, a page at a time.
 * @returns how many it released
 * @throws what a list or a release throws, once every Pod of the page was tried
 */
export async function sweep(client: KubeClient, wanted: (pod: Pod) => boolean, signal: AbortSignal): Promise<number> {
  let released = 0;
  let next: string | undefined;
  do {
    const page = await client.list(
      pods,
      {
        fieldSelector: 'spec.nodeName=,status.phase=Pending',
        limit: PAGE,
        ...(next === undefined ? {} : { continue: next }),
      },
      signal,
    );
    const results = await Promise.allSettled(
      page.items.filter((pod) => isHeld(pod) && wanted(pod)).map((pod) => releasePod(client, pod, signal)),
    );
    for (const result of results) {
      if (result.status === 'rejected') {
        throw result.reason;
      }
      released += Number(result.value);
    }
    next = page.continue;
  } while (next !== undefined);
  return released;
}

/** Lets Pods go whose label somebody took, or that came with the gate from elsewhere: nobody else would find them. */
export function createSweeper(client: KubeClient, clock: Clock, log: Logger): Runnable {
  return {
    name: 'sweeper',
    async run(signal) {
      while (!signal.aborted) {
        try {
          const released = await sweep(client, (pod) => longestHoldMs(pod) === 0, signal);
          if (released > 0) {
            log.info({ released }, 'Pods that had the gate and no label go on');
          }
        } catch (error) {
          if (!signal.aborted) {
            log.warn({ err: error }, 'could not look for Pods that have the gate and no label');
          }
        }
        await clock.sleep(SWEEP_MS, signal).catch(() => undefined);
      }
    },
  };
}
