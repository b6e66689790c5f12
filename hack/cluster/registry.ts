import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toolPath } from '../tools/locate.ts';
import type { KeyPair } from './certificates.ts';
import { answers, listens } from './control-plane.ts';
import { busyboxRootfs, pauseRootfs, pushRootfs } from './images.ts';
import { BUSYBOX_IMAGE, logOf, PAUSE_IMAGE, REGISTRY, TLS_REGISTRY, type Layout } from './layout.ts';
import { startPart, type Part } from './part.ts';

/** Starts the registry on a machine of its own; `enter` runs a command there. */
export function startRegistry(layout: Layout, enter: string[]): Promise<Part> {
  return start('registry', layout, enter, { addr: REGISTRY }, () => answers(`http://${REGISTRY}/v2/`));
}

/** Starts what serves the same images over HTTPS, on the same machine. */
export function startTlsRegistry(layout: Layout, enter: string[], { cert, key }: KeyPair): Promise<Part> {
  const http = { addr: TLS_REGISTRY, tls: { certificate: cert, key } };
  return start('registry-tls', layout, enter, http, () => listens(TLS_REGISTRY));
}

async function start(
  name: string,
  layout: Layout,
  enter: string[],
  http: object,
  ready: () => Promise<boolean>,
): Promise<Part> {
  const config = join(layout.state, `${name}.json`);
  // JSON is YAML.
  await writeFile(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'warn', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(layout.state, 'registry') }, delete: { enabled: true } },
      http,
    }),
  );
  return startPart({
    name,
    command: [...enter, toolPath('registry'), 'serve', config],
    log: logOf(layout, name),
    env: { OTEL_TRACES_EXPORTER: 'none' },
    ready,
  });
}

/** Pushes the images that the cluster itself needs. */
export async function pushOwnImages(): Promise<void> {
  await Promise.all([
    pushRootfs(PAUSE_IMAGE, [await pauseRootfs()], { entrypoint: ['/pause'] }),
    pushRootfs(BUSYBOX_IMAGE, [await busyboxRootfs()], { cmd: ['/bin/sh'], env: { PATH: '/bin' } }),
  ]);
}
