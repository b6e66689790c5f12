import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import { extract } from 'tar-stream';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * Extracts the layers of an image over each other with GNU tar, as root: what a container of it would see. Follows the OCI
 * Image Specification, "Image Layer Filesystem Changeset": whiteouts hide what lies below their layer.
 * @param tars plain tars from the lowest layer up.
 * @param folder an empty folder.
 */
export async function extractLayers(tars: readonly Buffer[], folder: string): Promise<void> {
  for (const tar of tars) {
    await clearWay(tar, folder);
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
  }
}

/** Removes from the layers below what a layer hides: by whiteouts, and by files in place of folders or the other way. */
async function clearWay(tar: Buffer, folder: string): Promise<void> {
  for await (const entry of Readable.from([tar]).pipe(extract())) {
    entry.resume();
    const { name, type } = entry.header;
    const path = join(folder, name);
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
}
