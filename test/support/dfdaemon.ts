import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toolPath } from '../../hack/tools/locate.ts';
import { freePorts } from '../envtest/ports.ts';
import { startProcess } from '../envtest/process.ts';
import type { Process } from '../envtest/process.ts';
import { until } from './until.ts';

/** A running dfdaemon in seed mode. */
export interface SeedPeer extends AsyncDisposable {
  name: string;
  /** Base URL of its HTTP proxy. */
  url: string;
  /** Kills it; its store stays. */
  kill(): Promise<void>;
  /** Starts it again on the same ports, after throwing away its store if asked to. */
  restart(options?: { emptyStore?: boolean }): Promise<void>;
}

export interface SeedPeerOptions {
  name: string;
  /** Everything it writes is below. Short: it holds a Unix socket. */
  directory: string;
  /** `host:port` of the scheduler. */
  scheduler: string;
  /** Of `proxy.registryMirror`; true in Dragonfly's chart. */
  enableTaskIDBasedBlobDigest?: boolean;
  /** Of `gc.policy`: how much its store may hold, such as `8MiB`. */
  diskThreshold?: string;
}

/** Starts a seed peer on free ports of 127.0.0.1, without a manager, configured as Dragonfly's chart does where it matters. */
export async function startSeedPeer(options: SeedPeerOptions): Promise<SeedPeer> {
  const { name, directory, scheduler } = options;
  await mkdir(directory, { recursive: true });
  const [proxyPort = 0] = await freePorts(1);
  const store = join(directory, 'store');
  const local = { scheduler: { addr: scheduler, addrs: [scheduler] } };
  await writeFile(join(directory, 'dynconfig.json'), JSON.stringify(local));
  let daemon = await start();

  async function start(): Promise<Process> {
    // Of the port on which peers fetch pieces dfdaemon (1.5.10) says "Address already in use" for a minute after it was
    // killed. Its scheduler is told of the new ones.
    const ports = await freePorts(6);
    const [healthPort] = ports;
    await writeFile(join(directory, 'dfdaemon.json'), JSON.stringify(configuration(options, proxyPort, ports, store)));
    const started = await startProcess(
      toolPath('dfdaemon'),
      [
        `--config=${join(directory, 'dfdaemon.json')}`,
        `--dynconfig=${join(directory, 'dynconfig.json')}`,
        `--log-dir=${join(directory, 'log')}`,
        '--console',
      ],
      join(directory, 'dfdaemon.log'),
    );
    await until(`seed peer ${name} answers`, async () => {
      await started.assertRunning();
      const health = await fetch(`http://127.0.0.1:${healthPort}/healthy`);
      const proxy = await fetch(`http://127.0.0.1:${proxyPort}/`, {
        headers: { 'x-dragonfly-use-p2p': 'true', 'x-dragonfly-piece-length': '1' },
      });
      return health.ok && proxy.status > 0;
    });
    return started;
  }

  return {
    name,
    url: `http://127.0.0.1:${proxyPort}`,
    kill: () => daemon.stop(),
    async restart({ emptyStore = false } = {}) {
      await daemon.stop();
      if (emptyStore) {
        await rm(store, { recursive: true, force: true });
      }
      daemon = await start();
    },
    [Symbol.asyncDispose]: () => daemon.stop(),
  };
}

function configuration(
  { name, directory, enableTaskIDBasedBlobDigest = true, diskThreshold }: SeedPeerOptions,
  proxy: number,
  [health, upload, metrics, stats, tcp, quic]: readonly number[],
  store: string,
): object {
  const at = (port: number | undefined): object => ({ server: { ip: '127.0.0.1', port } });
  return {
    host: { ip: '127.0.0.1', hostname: name },
    server: { pluginDir: join(directory, 'plugins'), cacheDir: join(directory, 'cache') },
    download: { server: { socketPath: join(directory, 'df.sock') } },
    upload: at(upload),
    seedPeer: { enable: true, type: 'super' },
    ...(diskThreshold === undefined ? {} : { gc: { policy: { diskThreshold } } }),
    storage: { dir: store, keep: true, server: { ip: '127.0.0.1', tcpPort: tcp, quicPort: quic } },
    proxy: {
      ...at(proxy),
      rules: [{ regex: 'blobs/sha256.*' }],
      // No registry there: the address comes with each request.
      registryMirror: { addr: 'http://127.0.0.1:1', enableTaskIDBasedBlobDigest },
      prefetch: true,
    },
    health: at(health),
    metrics: at(metrics),
    stats: at(stats),
  };
}
