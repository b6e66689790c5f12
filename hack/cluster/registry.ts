import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toolPath } from '../tools/locate.ts';
import { answers } from './control-plane.ts';
import { busyboxRootfs, pauseRootfs, pushRootfs } from './images.ts';
import { BUSYBOX_IMAGE, logOf, PAUSE_IMAGE, REGISTRY, type Layout } from './layout.ts';
import { startPart, type Part } from './part.ts';

/** Starts the registry on a machine of its own; `enter` runs a command there. */
export async function startRegistry(layout: Layout, enter: string[]): Promise<Part> {
  const config = join(layout.state, 'registry.json');
  // JSON is YAML.
  await writeFile(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'warn', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(layout.state, 'registry') }, delete: { enabled: true } },
      http: { addr: REGISTRY },
    }),
  );
  return startPart({
    name: 'registry',
    command: [...enter, toolPath('registry'), 'serve', config],
    log: logOf(layout, 'registry'),
    env: { OTEL_TRACES_EXPORTER: 'none' },
    ready: () => answers(`http://${REGISTRY}/v2/`),
  });
}

/** Pushes the images that the cluster itself needs. */
export async function pushOwnImages(): Promise<void> {
  await Promise.all([
    pushRootfs(PAUSE_IMAGE, [await pauseRootfs()], { entrypoint: ['/pause'] }),
    pushRootfs(BUSYBOX_IMAGE, [await busyboxRootfs()], { cmd: ['/bin/sh'], env: { PATH: '/bin' } }),
  ]);
}
