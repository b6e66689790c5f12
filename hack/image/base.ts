import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, realpath, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheDirectory } from '../tools/locate.ts';
import { execute, runLogged } from '../tools/process.ts';
import type { Progress } from '../tools/progress.ts';
import type { Buildah } from './buildah.ts';
import { digestOf } from './sources.ts';

/** What Node.js and nydus-image need beside the essential packages. */
const INCLUDE = ['ca-certificates', 'libstdc++6'];

/** What nobody reads in an image. */
const EXCLUDE = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/info/*', '/usr/share/locale/*'];

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Options of {@link ensureBase}. */
export interface BaseOptions {
  log: string;
  progress: Progress;
  signal: AbortSignal | undefined;
}

/**
 * The stand-in for the public Node.js image, for machines that reach no image registry: this Debian release's essential
 * packages, the Node.js that runs this, and the system's npm. Returns its name in buildah's storage.
 */
export async function ensureBase(buildah: Buildah, { log, progress, signal }: BaseOptions): Promise<string> {
  const suite = await debianRelease();
  const npm = await npmPackage();
  const rootfsKey = await digestOf([suite, process.arch, ...INCLUDE, ...EXCLUDE]);
  const key = await digestOf([rootfsKey, process.version, PATH], [join(npm, 'package.json')]);
  const image = `localhost/slipstream-base:${key}`;
  if (await buildah.has(image)) return image;

  const rootfs = join(cacheDirectory(), 'images', `operator-base-${rootfsKey}.tar`);
  if (!existsSync(rootfs)) {
    await progress.step(`Debian ${suite} root filesystem`, async () => {
      await mkdir(dirname(rootfs), { recursive: true });
      const excludes = EXCLUDE.map((path) => `--dpkgopt=path-exclude=${path}`);
      const draft = `${rootfs}.${process.pid}.tar`;
      const options = [
        '--variant=essential',
        '--dpkgopt=force-unsafe-io',
        `--include=${INCLUDE.join(',')}`,
        ...excludes,
      ];
      await runLogged('mmdebstrap', [...options, suite, draft], { log, signal });
      await rename(draft, rootfs);
    });
  }
  await progress.step('base image', async () => {
    const staging = await stageNode(npm);
    const container = await buildah.line(['from', 'scratch']);
    try {
      await buildah.run(['add', container, rootfs, '/']);
      await buildah.run(['add', container, staging, '/']);
      await buildah.run(['config', '--env', `PATH=${PATH}`, container]);
      await buildah.run(['commit', container, image]);
    } finally {
      await buildah.run(['rm', container]);
      await rm(staging, { recursive: true });
    }
  });
  return image;
}

/** A folder with Node.js and npm under usr/local, as the public image has them. */
async function stageNode(npm: string): Promise<string> {
  const staging = await mkdtemp(join(tmpdir(), 'slipstream-base-'));
  const bin = join(staging, 'usr/local/bin');
  await mkdir(bin, { recursive: true });
  await cp(process.execPath, join(bin, 'node'));
  await cp(npm, join(staging, 'usr/local/lib/node_modules/npm'), { recursive: true, dereference: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(bin, 'npm'));
  return staging;
}

/** Folder of the npm that is on PATH; its `npm` is a link to bin/npm-cli.js in there. */
async function npmPackage(): Promise<string> {
  const { stdout } = await execute('sh', ['-c', 'command -v npm']);
  return dirname(dirname(await realpath(stdout.trim())));
}

/** Codename of this machine's Debian: what was built here runs on the same C library there. */
async function debianRelease(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(.+)$/m.exec(release)?.[1];
  if (!/^ID=debian$/m.test(release) || codename === undefined) {
    throw new Error('this is no Debian system: build the image with `docker build` and its default BASE');
  }
  return codename;
}
