import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toolPath } from '../tools/locate.ts';
import { ADDRESSES, REGISTRY } from './layout.ts';

/** The scheduler that every dfdaemon announces itself to, on the seed's own machine. */
export const SCHEDULER = `${ADDRESSES.seed}:8002`;

const BLOBS = 'blobs/sha256.*';
/** As the chart renders them for nodes (docs/nodes.md says why). */
const PEER_RULES = [
  { regex: `^http://${REGISTRY}/v2/.*${BLOBS}`, schedulingPolicy: 'always' },
  { regex: BLOBS, useTLS: true, schedulingPolicy: 'always' },
];

/**
 * One dfdaemon of the cluster. A seed fetches a whole blob at the first touch; the peer of a node what it is asked for, so that
 * lazy loading stays lazy.
 */
export type DfdaemonOptions = {
  /** What it calls its host. */
  name: string;
  /** Everything that it writes is below. */
  folder: string;
  /** Where other peers reach it. */
  ip: string;
  /** Where its proxy, its health and its metrics are reached. */
  proxyIP: string;
} & (
  | { role: 'seed' }
  | {
      role: 'peer';
      /** File of the authority whose certificate the registry shows over HTTPS. */
      registryAuthority: string;
    }
);

/** Writes the configuration of a dfdaemon that needs no manager, and gives its command line. */
export async function dfdaemon(options: DfdaemonOptions): Promise<string[]> {
  const { folder } = options;
  await mkdir(folder, { recursive: true });
  const file = (name: string): string => join(folder, name);
  await writeFile(file('dfdaemon.yaml'), configuration(options));
  await writeFile(file('dynconfig.yaml'), JSON.stringify({ scheduler: { addr: SCHEDULER, addrs: [SCHEDULER] } }));
  const paths = ['--config', file('dfdaemon.yaml'), '--dynconfig', file('dynconfig.yaml'), '--log-dir', file('log')];
  return [toolPath('dfdaemon'), ...paths, '--console'];
}

function configuration(options: DfdaemonOptions): string {
  const { name, folder, ip, proxyIP } = options;
  const seed = options.role === 'seed';
  return JSON.stringify({
    host: { ip, hostname: name, idc: 'dev', location: 'dev' },
    server: { pluginDir: join(folder, 'plugins'), cacheDir: join(folder, 'cache') },
    download: { server: { socketPath: join(folder, 'dfdaemon.sock') } },
    upload: { server: { ip, port: 4000 } },
    seedPeer: { enable: seed, type: 'super' },
    scheduler: { announceInterval: '10s' },
    dynconfig: { refreshInterval: '10s' },
    storage: { dir: join(folder, 'store'), keep: true, server: { ip, tcpPort: 4005, quicPort: 4006 } },
    // Without a limit of its own it throws away what it has when the machine's disk is four fifths full.
    gc: { interval: '900s', policy: { diskThreshold: '32GiB' } },
    proxy: {
      server: { ip: proxyIP, port: 4001 },
      rules: seed ? [{ regex: BLOBS }] : PEER_RULES,
      registryMirror: {
        addr: `http://${REGISTRY}`,
        enableTaskIDBasedBlobDigest: true,
        ...(seed ? {} : { cert: options.registryAuthority }),
      },
      disableBackToSource: false,
      prefetch: seed,
    },
    health: { server: { ip: proxyIP, port: 4003 } },
    metrics: { server: { ip: proxyIP, port: 4002 } },
    stats: { server: { ip: proxyIP, port: 4004 } },
  });
}
