import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toolPath } from '../../hack/tools/locate.ts';

const READY_MS = 30_000;
const END_MS = 5_000;
const POLL_MS = 20;

/** Where nydusd gets the blobs from. */
export type BlobSource = { type: 'registry'; host: string; repository: string } | { type: 'localfs'; folder: string };

/** A mounted artifact. */
export interface NydusMount extends AsyncDisposable {
  mountpoint: string;
  /** Folder of the chunks that were fetched. */
  cache: string;
}

/**
 * Mounts an artifact with nydusd over FUSE, as root. Disposing of the mount unmounts it, ends nydusd and removes its files;
 * nydusd also ends with this process.
 * @param bootstrap path of `image.boot`.
 */
export async function mountNydus(bootstrap: string, blobs: BlobSource): Promise<NydusMount> {
  const folder = await mkdtemp(join(tmpdir(), 'nydus-mount-'));
  const mountpoint = join(folder, 'mnt');
  const cache = join(folder, 'cache');
  const log = join(folder, 'nydusd.log');
  let daemon: ChildProcess | undefined;
  const dispose = async (): Promise<void> => {
    await unmount(mountpoint);
    await end(daemon);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await mkdir(mountpoint);
    await mkdir(cache);
    await writeFile(join(folder, 'config.json'), JSON.stringify(configOf(blobs, cache)));
    daemon = await start(
      ['--config', join(folder, 'config.json'), '--mountpoint', mountpoint, '--bootstrap', bootstrap],
      log,
    );
    await waitForMount(mountpoint, daemon, log);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { mountpoint, cache, [Symbol.asyncDispose]: dispose };
}

function configOf(blobs: BlobSource, cache: string): object {
  const backend =
    blobs.type === 'registry'
      ? {
          type: 'registry',
          config: { scheme: 'http', host: blobs.host, repo: blobs.repository, timeout: 5, retry_limit: 2 },
        }
      : { type: 'localfs', config: { dir: blobs.folder } };
  return {
    device: { backend, cache: { type: 'blobcache', config: { work_dir: cache } } },
    mode: 'direct',
    digest_validate: false,
    enable_xattr: true,
    fs_prefetch: { enable: false },
  };
}

async function start(args: string[], log: string): Promise<ChildProcess> {
  await using output = await open(log, 'w');
  // nydusd wants a million open files, and dies where it may not have them; 0 leaves the limit as it is.
  const command = ['--pdeathsig', 'KILL', '--', toolPath('nydusd'), 'fuse', '--rlimit-nofile', '0', ...args];
  const daemon = spawn('setpriv', command, { stdio: ['ignore', output.fd, output.fd] });
  await once(daemon, 'spawn');
  return daemon;
}

async function waitForMount(mountpoint: string, daemon: ChildProcess, log: string): Promise<void> {
  for (const deadline = performance.now() + READY_MS; !(await isMounted(mountpoint)); await sleep(POLL_MS)) {
    if (hasEnded(daemon) || performance.now() > deadline) {
      const why = hasEnded(daemon) ? 'nydusd ended' : 'nydusd did not mount in time';
      throw new Error(`${why}: ${(await readFile(log, 'utf8')).slice(-4000)}`);
    }
  }
}

async function isMounted(mountpoint: string): Promise<boolean> {
  return (await readFile('/proc/self/mountinfo', 'utf8')).includes(` ${mountpoint} `);
}

async function unmount(mountpoint: string): Promise<void> {
  if (await isMounted(mountpoint)) {
    // Lazily, so that a file that is still open cannot keep the mount.
    await once(spawn('umount', ['-l', mountpoint], { stdio: 'ignore' }), 'close');
  }
}

async function end(daemon: ChildProcess | undefined): Promise<void> {
  if (daemon === undefined || hasEnded(daemon)) {
    return;
  }
  const ended = once(daemon, 'exit');
  daemon.kill('SIGTERM');
  const killer = setTimeout(() => daemon.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(killer);
}

function hasEnded(daemon: ChildProcess): boolean {
  return daemon.exitCode !== null || daemon.signalCode !== null;
}
