import { join } from 'node:path';
import { answers, listens } from './control-plane.ts';
import { dfdaemon, SCHEDULER } from './dfdaemon.ts';
import { scheduler } from './dragonfly-scheduler.ts';
import { ADDRESSES, logOf, type Layout } from './layout.ts';
import type { NydusProxy } from './node-config.ts';
import { startPart, type Part } from './part.ts';

/** Where the seed peer answers: its proxy, which nydusd and Slipstream read through, and its health. */
export const SEED: NydusProxy = {
  url: `http://${ADDRESSES.seed}:4001`,
  pingUrl: `http://${ADDRESSES.seed}:4003/healthy`,
};

/** Names of the parts that {@link startSeed} starts, in order. */
export const SEED_PARTS = ['dragonfly-scheduler', 'dfdaemon'] as const;

/**
 * Starts a Dragonfly seed peer on a machine of its own (`enter` runs a command there), beside the scheduler that it
 * will not start without.
 */
export async function startSeed(layout: Layout, enter: string[]): Promise<Part[]> {
  const folder = join(layout.state, 'seed');
  const scheduling = await startPart({
    name: SEED_PARTS[0],
    command: [...enter, ...(await scheduler(join(layout.state, 'scheduler'), SCHEDULER))],
    log: logOf(layout, SEED_PARTS[0]),
    ready: () => listens(SCHEDULER),
  });
  const seed = await startPart({
    name: SEED_PARTS[1],
    command: [
      ...enter,
      ...(await dfdaemon({ name: 'seed', folder, ip: ADDRESSES.seed, proxyIP: ADDRESSES.seed, role: 'seed' })),
    ],
    log: logOf(layout, SEED_PARTS[1]),
    restarts: true,
    ready: () => answers(SEED.pingUrl),
  });
  return [scheduling, seed];
}
