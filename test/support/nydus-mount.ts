import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toolPath } from '../../hack/tools/locate.ts';
import { startProcess, type Process } from '../envtest/process.ts';
import { until } from './until.ts';

/** Where nydusd gets the blobs from. */
export type BlobSource = { type: 'registry'; host: string; repository: string } | { type: 'localfs'; folder: string };

/** A mounted artifact. */
export interface NydusMount extends AsyncDisposable {
  mountpoint: string;
  /** Folder of the chunks that were fetched. */
  cache: string;
  /** nydusd's API socket. */
  socket: string;
}

/** How nydusd is to run. */
export interface MountOptions {
  /** Keep access records, as on a node of the development cluster. */
  records?: boolean;
}

/**
 * Mounts an artifact with nydusd over FUSE, as root. Disposing of the mount unmounts it, ends nydusd and removes its files;
 * nydusd also ends with this process.
 * @param bootstrap path of `image.boot`.
 */
export async function mountNydus(
  bootstrap: string,
  blobs: BlobSource,
  { records = false }: MountOptions = {},
): Promise<NydusMount> {
  const folder = await mkdtemp(join(tmpdir(), 'nydus-mount-'));
  const [mountpoint, cache, config] = [join(folder, 'mnt'), join(folder, 'cache'), join(folder, 'config.json')];
  const socket = join(folder, 'api.sock');
  let daemon: Process | undefined;
  const dispose = async (): Promise<void> => {
    await unmount(mountpoint);
    await daemon?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await mkdir(mountpoint);
    await mkdir(cache);
    await writeFile(config, JSON.stringify({ ...configOf(blobs, cache), access_pattern: records }));
    const args = ['--config', config, '--mountpoint', mountpoint, '--bootstrap', bootstrap, '--apisock', socket];
    // nydusd wants a million open files, and dies where it may not have them; 0 leaves the limit as it is.
    const command = ['fuse', '--rlimit-nofile', '0', ...args];
    const running = await startProcess(toolPath('nydusd'), command, join(folder, 'nydusd.log'));
    daemon = running;
    await until('nydusd has mounted', async () => {
      await running.assertRunning();
      return isMounted(mountpoint);
    });
  } catch (error) {
    await dispose();
    throw error;
  }
  return { mountpoint, cache, socket, [Symbol.asyncDispose]: dispose };
}

function configOf(blobs: BlobSource, cache: string): object {
  const backend =
    blobs.type === 'registry'
      ? { type: 'registry', config: { scheme: 'http', host: blobs.host, repo: blobs.repository, retry_limit: 2 } }
      : { type: 'localfs', config: { dir: blobs.folder } };
  return {
    device: { backend, cache: { type: 'blobcache', config: { work_dir: cache } } },
    mode: 'direct',
    digest_validate: false,
    enable_xattr: true,
    fs_prefetch: { enable: false },
  };
}

async function isMounted(mountpoint: string): Promise<boolean> {
  return (await readFile('/proc/self/mountinfo', 'utf8')).includes(` ${mountpoint} `);
}

async function unmount(mountpoint: string): Promise<void> {
  if (await isMounted(mountpoint)) {
    // Lazily, so that a file that is still open cannot keep the mount.
    await promisify(execFile)('umount', ['-l', mountpoint]);
  }
}
