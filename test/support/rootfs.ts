import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, lstat, lutimes, readdir, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import { extract } from 'tar-stream';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * Extracts the layers of an image over each other with GNU tar, as root: what a container of it would see. Follows the OCI
 * Image Specification, "Image Layer Filesystem Changeset": whiteouts hide what lies below their layer. A folder that a layer
 * only has files in, and no entry for, stays as it is below, as containerd has it; where there is none below, it is root's,
 * of mode 0755, and from 1970, which stands for any time. So is the root itself, whatever a layer says of it.
 * @param tars plain tars from the lowest layer up.
 * @param folder an empty folder.
 */
export async function extractLayers(tars: readonly Buffer[], folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const tar of tars) {
    if (tar.length === 0) {
      continue;
    }
    const times = await clearWay(tar, folder);
    const flags = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--same-owner', '--same-permissions'];
    const child = spawn('tar', [...flags, `--exclude=${WHITEOUT}*`, '-C', folder, '-xf', '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    const ended = once(child, 'close');
    const errors = text(child.stderr);
    await pipeline(Readable.from([tar]), child.stdin);
    const [code] = (await ended) as [number | null];
    if (code !== 0) {
      throw new Error(`tar cannot extract a layer: ${await errors}`);
    }
    for (const [path, time] of times) {
      await lutimes(path, time, time).catch(() => undefined);
    }
    await chmod(folder, 0o755);
    await chown(folder, 0, 0);
    await utimes(folder, 0, 0);
  }
}

/**
 * Removes from the layers below what a layer hides: by whiteouts, and by files in place of folders or the other way.
 * @returns the times, in seconds, that the folders are to have in the end, deepest first: GNU tar makes some links when it
 *   has set them.
 */
async function clearWay(tar: Buffer, folder: string): Promise<[string, number][]> {
  const implied = new Map<string, number>();
  const own = new Map<string, number>();
  for await (const entry of Readable.from([tar]).pipe(extract())) {
    entry.resume();
    const { name, type, mtime, pax } = entry.header;
    const path = join(folder, name.replace(/\/$/, ''));
    if (type === 'directory') {
      own.set(path, Number((pax as Record<string, string> | null)?.mtime ?? (mtime?.getTime() ?? 0) / 1000));
    }
    for (let parent = dirname(path); parent.startsWith(folder) && !implied.has(parent); parent = dirname(parent)) {
      const below = await lstat(parent).catch(() => undefined);
      implied.set(parent, below === undefined ? 0 : below.mtimeMs / 1000);
    }
    const base = path.slice(dirname(path).length + 1);
    if (base === OPAQUE) {
      const children = await readdir(dirname(path)).catch(() => []);
      await Promise.all(children.map((child) => rm(join(dirname(path), child), { recursive: true })));
    } else if (base.startsWith(WHITEOUT)) {
      await rm(join(dirname(path), base.slice(WHITEOUT.length)), { recursive: true, force: true });
    } else {
      const below = await lstat(path).catch(() => undefined);
      if (below !== undefined && below.isDirectory() !== (type === 'directory')) {
        await rm(path, { recursive: true });
      }
    }
  }
  return [...new Map([...implied, ...own])].toSorted(([a], [b]) => b.length - a.length);
}
