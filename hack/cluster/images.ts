import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory, toolPath } from '../tools/locate.ts';
import { execute } from '../tools/process.ts';

const PAUSE_SOURCE = fileURLToPath(new URL('pause.c', import.meta.url));
const BUSYBOX = '/bin/busybox';

/** Makes a root filesystem tar in the cache, once per key, from a folder that `fill` fills. */
async function cachedRootfs(name: string, key: Buffer, fill: (root: string) => Promise<void>): Promise<string> {
  const digest = createHash('sha256').update(key).digest('hex').slice(0, 12);
  const file = join(cacheDirectory(), 'images', `${name}-${digest}.tar`);
  if (existsSync(file)) return file;
  const work = await mkdtemp(join(tmpdir(), 'slipstream-image-'));
  try {
    const root = join(work, 'root');
    await mkdir(root);
    await fill(root);
    const tar = join(cacheDirectory(), 'images', `${name}-${digest}.${process.pid}`);
    await mkdir(join(cacheDirectory(), 'images'), { recursive: true });
    const stable = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];
    await execute('tar', ['--create', '--file', tar, '--directory', root, ...stable, '.']);
    await rename(tar, file);
  } finally {
    await rm(work, { recursive: true });
  }
  return file;
}

/** The root filesystem of the sandbox image: one static program. */
export async function pauseRootfs(): Promise<string> {
  return cachedRootfs('pause', await readFile(PAUSE_SOURCE), async (root) => {
    await execute('gcc', ['-Os', '-static', '-s', '-o', join(root, 'pause'), PAUSE_SOURCE]);
  });
}

/** The root filesystem of the BusyBox image: Debian's static binary under the names of its commands. */
export async function busyboxRootfs(): Promise<string> {
  return cachedRootfs('busybox', await readFile(BUSYBOX), async (root) => {
    for (const folder of ['bin', 'etc', 'tmp', 'www']) await mkdir(join(root, folder));
    await cp(BUSYBOX, join(root, 'bin/busybox'));
    const { stdout } = await execute(BUSYBOX, ['--list']);
    for (const applet of stdout.trim().split('\n')) {
      if (applet !== 'busybox') await symlink('busybox', join(root, 'bin', applet));
    }
  });
}

/** How a pushed image is to run. */
export interface ImageConfig {
  entrypoint?: string[];
  cmd?: string[];
  env?: Record<string, string>;
}

/**
 * Pushes an image made of root filesystem tars (plain or gzip), lowest layer first, to the cluster's registry.
 * Gives its digest.
 */
export async function pushRootfs(reference: string, layers: string[], config: ImageConfig = {}): Promise<string> {
  const crane = toolPath('crane');
  const files = layers.flatMap((layer) => ['--new_layer', layer]);
  await execute(crane, ['append', '--insecure', '--oci-empty-base', '--new_tag', reference, ...files]);
  const flags = [
    ...(config.entrypoint === undefined ? [] : ['--entrypoint', config.entrypoint.join(',')]),
    ...(config.cmd === undefined ? [] : ['--cmd', config.cmd.join(',')]),
    ...Object.entries(config.env ?? {}).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
  ];
  const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
  const mutate = ['mutate', '--insecure', '--set-platform', platform, '--tag', reference, ...flags, reference];
  await execute(crane, mutate);
  const { stdout } = await execute(crane, ['digest', '--insecure', reference]);
  return stdout.trim();
}
