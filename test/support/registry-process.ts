import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toolPath } from '../../hack/tools/locate.ts';

const READY_MS = 30_000;
const POLL_MS = 20;

/** A real registry on loopback, with an empty store of its own. */
export interface RegistryProcess extends AsyncDisposable {
  /** `127.0.0.1:port` */
  host: string;
  /** Folder of its store. */
  store: string;
}

/** Starts the distribution registry on a free port. Disposing of it ends it and removes its store; it ends with this process. */
export async function startRegistry(): Promise<RegistryProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'registry-'));
  const store = join(folder, 'store');
  const host = `127.0.0.1:${await freePort()}`;
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: store }, delete: { enabled: true } },
    http: { addr: host },
  };
  // JSON is YAML.
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
  const command = ['--pdeathsig', 'KILL', '--', toolPath('registry'), 'serve', join(folder, 'config.yml')];
  const server = spawn('setpriv', command, { stdio: 'ignore', env: { OTEL_TRACES_EXPORTER: 'none' } });
  const dispose = async (): Promise<void> => {
    await end(server);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await once(server, 'spawn');
    await waitUntilReady(host, server);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { host, store, [Symbol.asyncDispose]: dispose };
}

/** Path of a blob in the registry's store. */
export function blobPath({ store }: RegistryProcess, digest: string): string {
  const hex = digest.slice('sha256:'.length);
  return join(store, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
}

/** Reads a blob from the registry's store. */
export async function storedBlob(registry: RegistryProcess, digest: string): Promise<Buffer> {
  return readFile(blobPath(registry, digest));
}

async function waitUntilReady(host: string, server: ChildProcess): Promise<void> {
  for (const deadline = performance.now() + READY_MS; ; await sleep(POLL_MS)) {
    const answered = await fetch(`http://${host}/v2/`).then(
      (response) => response.ok,
      () => false,
    );
    if (answered) {
      return;
    }
    if (server.exitCode !== null || performance.now() > deadline) {
      throw new Error(`the registry on ${host} did not come up`);
    }
  }
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode === null && server.signalCode === null && server.pid !== undefined) {
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
