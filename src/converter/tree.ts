import { createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openEntry, readContents, type BlobEntry, type BlobReader } from './blobtoc.ts';
import type { FsVersion } from './nydus.ts';

const BLOCK = 4096;

/** Where the tree of a layer is: the file must have the name of the blob with the data, from which `nydus-image merge` takes the ID. */
export function treePath(folder: string, digest: string): string {
  return join(folder, hexOf(digest));
}

/** Where the chunk table of a layer is; there is none for a layer without a chunk. */
export function chunkTablePath(folder: string, digest: string): string {
  return join(folder, chunkTableName(digest));
}

/** Name of a chunk table beside `image.boot`, and in nydusd's cache. */
export function chunkTableName(digest: string): string {
  return `${hexOf(digest)}.blob.meta`;
}

/**
 * Takes the tree (bootstrap) of a layer out of its RAFS blob, and for RAFS v6 its chunk table, in the form that nydusd keeps
 * in its cache: the table, padded to whole blocks, and its header.
 * @param digest of the blob.
 * @param name digest of what nydusd is to read chunks from: the blob, or for an index the layer that it is of.
 * @returns digest of the table of contents, if there is one.
 * @param scratch path of a file that may be written meanwhile: the files appear whole or not at all.
 */
export async function extractTree(
  blob: BlobReader,
  digest: string,
  name: string,
  folder: string,
  scratch: string,
  fsVersion: FsVersion,
  signal: AbortSignal,
): Promise<{ toc?: string }> {
  const { entries: listed, toc } = await readContents(blob);
  const entries = new Map(listed.map((entry) => [entry.name, entry]));
  const tree = entries.get('image.boot');
  if (tree === undefined) {
    throw new Error(`RAFS blob ${digest} has no image.boot`);
  }
  const table = entries.get('blob.meta');
  const header = entries.get('blob.meta.header');
  try {
    if (fsVersion === '6' && table !== undefined && header !== undefined) {
      await append(scratch, blob, table, signal);
      await padToBlock(scratch);
      await append(scratch, blob, header, signal);
      await rename(scratch, chunkTablePath(folder, digest));
    }
    await append(scratch, blob, tree, signal);
    await rename(scratch, treePath(folder, name));
    return toc === undefined ? {} : { toc };
  } finally {
    await rm(scratch, { force: true });
  }
}

async function append(path: string, blob: BlobReader, entry: BlobEntry, signal: AbortSignal): Promise<void> {
  const streams = await openEntry(blob, entry);
  await pipeline([...streams, createWriteStream(path, { flags: 'a', mode: 0o600 })], { signal });
}

async function padToBlock(path: string): Promise<void> {
  const { size } = await stat(path);
  await using file = await open(path, 'r+');
  await file.truncate(Math.ceil(size / BLOCK) * BLOCK);
}

function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1);
}
