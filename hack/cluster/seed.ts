import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { toolPath } from '../tools/locate.ts';
import { answers } from './control-plane.ts';
import { ADDRESSES, logOf, REGISTRY, type Layout } from './layout.ts';
import type { NydusProxy } from './node-config.ts';
import { startPart, type Part } from './part.ts';

/** Where the seed peer answers: its proxy, which nydusd and Slipstream read through, and its health. */
export const SEED: NydusProxy = {
  url: `http://${ADDRESSES.seed}:4001`,
  pingUrl: `http://${ADDRESSES.seed}:4003/healthy`,
};

/** Names of the parts that {@link startSeed} starts, in order. */
export const SEED_PARTS = ['dragonfly-scheduler', 'dfdaemon'] as const;

/** Port of the scheduler that the seed announces itself to, on the seed's own machine. */
const SCHEDULER = `${ADDRESSES.seed}:8002`;

/** A stand-in that speaks the scheduler's protocol: without any scheduler a dfdaemon does not start. */
const SCHEDULER_DOUBLE = join(import.meta.dirname, '../../test/doubles/dragonfly-scheduler.ts');

/** The seed's configuration: it fetches a whole blob at the first touch and keeps it; no manager, no other peers. */
function seedConfig(folder: string): string {
  const ip = ADDRESSES.seed;
  return JSON.stringify({
    host: { ip, hostname: 'seed', idc: 'dev', location: 'dev' },
    server: { pluginDir: join(folder, 'plugins'), cacheDir: join(folder, 'cache') },
    download: { server: { socketPath: join(folder, 'dfdaemon.sock') } },
    upload: { server: { ip, port: 4000 } },
    seedPeer: { enable: true, type: 'super' },
    scheduler: { announceInterval: '10s' },
    dynconfig: { refreshInterval: '10s' },
    storage: { dir: join(folder, 'store'), keep: true, server: { ip, tcpPort: 4005, quicPort: 4006 } },
    gc: { interval: '900s' },
    proxy: {
      server: { ip, port: 4001 },
      rules: [{ regex: 'blobs/sha256.*' }],
      registryMirror: { addr: `http://${REGISTRY}`, enableTaskIDBasedBlobDigest: true },
      disableBackToSource: false,
      prefetch: true,
    },
    health: { server: { ip, port: 4003 } },
    metrics: { server: { ip, port: 4002 } },
    stats: { server: { ip, port: 4004 } },
  });
}

/**
 * Starts a Dragonfly seed peer on a machine of its own (`enter` runs a command there), beside the scheduler that it
 * will not start without.
 */
export async function startSeed(layout: Layout, enter: string[]): Promise<Part[]> {
  const folder = join(layout.state, 'seed');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'dfdaemon.yaml'), seedConfig(folder));
  await writeFile(
    join(folder, 'dynconfig.yaml'),
    JSON.stringify({ scheduler: { addr: SCHEDULER, addrs: [SCHEDULER] } }),
  );
  const scheduler = await startPart({
    name: SEED_PARTS[0],
    command: [...enter, process.execPath, SCHEDULER_DOUBLE, '--listen', SCHEDULER],
    log: logOf(layout, SEED_PARTS[0]),
    ready: () => listens(SCHEDULER),
  });
  const seed = await startPart({
    name: SEED_PARTS[1],
    command: [
      ...enter,
      toolPath('dfdaemon'),
      '--config',
      join(folder, 'dfdaemon.yaml'),
      '--dynconfig',
      join(folder, 'dynconfig.yaml'),
      '--log-dir',
      join(layout.logs, 'dfdaemon'),
      '--console',
    ],
    log: logOf(layout, SEED_PARTS[1]),
    ready: () => answers(SEED.pingUrl),
  });
  return [scheduler, seed];
}

/** Whether something takes connections at `host:port`. */
function listens(address: string): Promise<boolean> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: 1_000 });
    const settle = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', () => settle(true));
    socket.once('timeout', () => settle(false));
    socket.once('error', () => settle(false));
  });
}
