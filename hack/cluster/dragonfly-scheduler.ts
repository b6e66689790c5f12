import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toolPath } from '../tools/locate.ts';

/**
 * Writes the configuration of a Dragonfly scheduler that needs neither manager nor Redis, and gives its command line.
 * Without a scheduler no dfdaemon starts; it tells peers which of them have a blob, and has a seed peer fetch what none has.
 * @param folder everything that it writes is below
 * @param listen `host:port` of its gRPC server
 */
export async function scheduler(folder: string, listen: string): Promise<string[]> {
  const [ip, port] = listen.split(':');
  await mkdir(folder, { recursive: true });
  const file = (name: string): string => join(folder, name);
  const server = { advertiseIP: ip, advertisePort: Number(port), listenIP: ip, port: Number(port), host: 'scheduler' };
  const configuration = {
    server: { ...server, logDir: file('log'), pluginDir: file('plugins') },
    job: { enable: false },
    metrics: { enable: false },
  };
  await writeFile(file('scheduler.yaml'), JSON.stringify(configuration));
  const paths = ['--config', file('scheduler.yaml'), '--dynconfig', file('dynconfig.yaml')];
  return [toolPath('dragonfly-scheduler'), ...paths, '--console'];
}
