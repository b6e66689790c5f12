import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A mounted cgroup hierarchy: one per controller with version 1, one for all with version 2. */
export interface Hierarchy {
  mountPoint: string;
  type: 'cgroup' | 'cgroup2';
  /** Mount options that name a version 1 hierarchy's controllers. */
  options: string;
}

const REMOVAL_TRIES = 100;
const REMOVAL_PAUSE_MS = 50;

/** The cgroup hierarchies that this process sees, from proc_pid_mountinfo(5). */
export function hierarchies(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of mountinfo.trim().split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const mountPoint = left.split(' ')[4];
    const [type, , superOptions = ''] = right.split(' ');
    if (mountPoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue;
    const options = superOptions.split(',').filter((option) => option !== 'rw' && option !== 'ro');
    found.push({ mountPoint, type, options: type === 'cgroup' ? options.join(',') : '' });
  }
  return found;
}

/** Makes a cgroup of this path in every hierarchy. */
export async function createCgroup(path: string): Promise<void> {
  for (const { mountPoint } of hierarchies()) {
    const folder = join(mountPoint, path);
    await mkdir(folder, { recursive: true });
    // A version 1 cpuset takes no process before it has been told its processors and memory nodes.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const own = join(folder, file);
      if (!existsSync(own) || existsSync(join(folder, 'cgroup.controllers'))) continue;
      await writeFile(own, await readFile(join(folder, '..', file)));
    }
  }
}

/** The `cgroup.procs` files that take a process into a cgroup made by {@link createCgroup}. */
export function procsFiles(path: string): string[] {
  return hierarchies().map(({ mountPoint }) => {
    // With version 2 no process may stand beside child groups that have controllers: see mounts.ts.
    const init = join(mountPoint, path, 'init', 'cgroup.procs');
    return existsSync(init) ? init : join(mountPoint, path, 'cgroup.procs');
  });
}

/** A command line that enters a cgroup and then becomes the given command. */
export function inCgroup(path: string, command: string[]): string[] {
  const enter = procsFiles(path).map((file) => `echo 0 >'${file}'`);
  return ['sh', '-c', [...enter, 'exec "$@"'].join('; '), 'sh', ...command];
}

async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  for (let tries = 1; ; tries += 1) {
    try {
      return await rmdir(folder);
    } catch (error) {
      // A killed process stays a member until it is reaped.
      if (tries >= REMOVAL_TRIES) throw new Error(`cannot remove cgroup ${folder}`, { cause: error });
      await sleep(REMOVAL_PAUSE_MS);
    }
  }
}

/** The folders of a cgroup that exist. */
export function cgroupFolders(path: string): string[] {
  return hierarchies()
    .map(({ mountPoint }) => join(mountPoint, path))
    .filter((folder) => existsSync(folder));
}

/** Removes a cgroup and those below it from every hierarchy, when its processes are gone. */
export async function removeCgroup(path: string): Promise<void> {
  for (const folder of cgroupFolders(path)) await removeTree(folder);
}
