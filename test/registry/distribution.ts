import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { toolPath } from '../../hack/tools/locate.ts';

const READY_MS = 30_000;
const POLL_MS = 20;

export interface Distribution {
  /** `127.0.0.1:port` */
  host: string;
  close(): Promise<void>;
}

/**
 * Starts a real registry (distribution v3) on a free port with an empty store. It ends with this process at the latest.
 * @param settings of its configuration file, besides storage and address, made once it is known in which folder files may
 *   be left for it.
 */
export async function startDistribution(
  settings: (folder: string) => object | Promise<object> = () => ({ storage: { delete: { enabled: true } } }),
): Promise<Distribution> {
  const folder = await mkdtemp(join(tmpdir(), 'distribution-'));
  const host = `127.0.0.1:${await freePort()}`;
  const { storage = {}, ...rest } = (await settings(folder)) as { storage?: object };
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(folder, 'store') }, ...storage },
    http: { addr: host },
    ...rest,
  };
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify(config));
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', '--', toolPath('registry'), 'serve', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { OTEL_TRACES_EXPORTER: 'none' },
  });
  const ended = once(server, 'exit');
  let errors = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = `${errors}${text}`.slice(-2000);
  });
  const close = async (): Promise<void> => {
    server.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  for (const deadline = performance.now() + READY_MS; !(await answers(host)); await delay(POLL_MS)) {
    if (server.exitCode !== null || performance.now() > deadline) {
      await close();
      throw new Error(`the registry at ${host} did not come up: ${errors}`);
    }
  }
  return { host, close };
}

async function answers(host: string): Promise<boolean> {
  return await fetch(`http://${host}/v2/`).then(
    ({ status }) => status === 200 || status === 401,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
