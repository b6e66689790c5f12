import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensurePackages } from '../tools/debian.ts';
import { ensureTools } from '../tools/ensure.ts';
import { cacheDirectory, toolPath } from '../tools/locate.ts';
import { withLock } from '../tools/lock.ts';
import { execute } from '../tools/process.ts';
import { createProgress, type Progress } from '../tools/progress.ts';
import { ensureBase } from './base.ts';
import { openBuildah } from './buildah.ts';
import { digestOf, ROOT, sourceFiles } from './sources.ts';

/** Certificates that this machine trusts, those of a proxy among them. */
const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

/** Name of the image within a registry. */
const REPOSITORY = 'slipstream';

/** Options of {@link prepareOperatorImage}. */
export interface PrepareOptions {
  progress?: Progress;
  signal?: AbortSignal;
}

/** Options of {@link buildOperatorImage}. */
export interface BuildOptions extends PrepareOptions {
  /** Host and port of the registry to push to. It is spoken to over HTTP where it is a local one. */
  registry: string;
  tag: string;
}

/**
 * Builds the image that the Dockerfile describes, with buildah, over a base image made of Debian packages, and leaves it
 * as an OCI image layout in the cache. Needs the network only when an input has changed; with the same inputs it is there
 * at once. Returns the layout's folder.
 */
export async function prepareOperatorImage(options: PrepareOptions = {}): Promise<string> {
  const { progress = createProgress(), signal } = options;
  await ensureTools(['nydus-image'], { progress, ...(signal === undefined ? {} : { signal }) });
  const nydusImage = toolPath('nydus-image');
  const key = await digestOf([process.version, process.arch], [...(await sourceFiles()), nydusImage]);
  const layout = join(cacheDirectory(), 'images/operator', key);
  if (existsSync(layout)) return layout;
  return withLock(join(cacheDirectory(), 'locks/operator-image'), async () => {
    if (existsSync(layout)) return layout;
    await ensurePackages(['buildah', 'mmdebstrap'], progress, signal);
    const log = join(cacheDirectory(), 'logs/operator-image.log');
    await rm(log, { force: true });
    const buildah = await openBuildah(log, signal);
    const base = await ensureBase(buildah, { log, progress, signal });
    const work = await mkdtemp(join(tmpdir(), 'slipstream-image-'));
    try {
      const npmrc = join(work, 'npmrc');
      await writeFile(npmrc, await npmSettings(), { mode: 0o600 });
      const image = `localhost/${REPOSITORY}:latest`;
      const args = [
        '--isolation=chroot',
        '--layers',
        `--volume=${CA_BUNDLE}:${CA_BUNDLE}:ro`,
        `--secret=id=npmrc,src=${npmrc}`,
        `--build-arg=BASE=${base}`,
        `--build-context=nydus=${dirname(nydusImage)}`,
        `--tag=${image}`,
      ];
      await progress.step('building the Dockerfile', () => buildah.run(['build', ...args, ROOT]));
      const draft = `${layout}.draft`;
      await emptyLayout(draft);
      await progress.step('compressing layers', () => buildah.run(['push', image, `oci:${draft}`]));
      await rename(draft, layout);
    } finally {
      await rm(work, { recursive: true });
    }
    return layout;
  });
}

/**
 * Builds the operator's image, unless it is in the cache, and pushes it. Returns the reference to run: `registry/slipstream:tag@digest`.
 */
export async function buildOperatorImage({ registry, tag, ...options }: BuildOptions): Promise<string> {
  const layout = await prepareOperatorImage(options);
  const reference = `${registry}/${REPOSITORY}:${tag}`;
  await execute(toolPath('crane'), ['push', '--insecure', layout, reference], { signal: options.signal });
  return `${reference}@${await digestIn(layout)}`;
}

/** A layout to fill. Those of one cache share their blobs, so that a changed source costs its own layer only. */
async function emptyLayout(layout: string): Promise<void> {
  await rm(layout, { recursive: true, force: true });
  await mkdir(layout, { recursive: true });
  await mkdir(join(layout, '../blobs'), { recursive: true });
  await symlink('../blobs', join(layout, 'blobs'));
}

async function digestIn(layout: string): Promise<string> {
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
  const [manifest] = index.manifests;
  if (manifest === undefined) throw new Error(`${layout} holds no image; remove it and build again`);
  return manifest.digest;
}

/** The user's npm settings, for the build: its certificates are the machine's, and a proxy's may be among them. */
async function npmSettings(): Promise<string> {
  const { stdout } = await execute('npm', ['config', 'get', 'userconfig']);
  const settings = await readFile(stdout.trim(), 'utf8').catch(() => '');
  return `${settings}\ncafile=${CA_BUNDLE}\n`;
}
