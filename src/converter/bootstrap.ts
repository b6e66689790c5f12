import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack, type Pack } from 'tar-stream';
import type { BootstrapLayer } from './manifest.ts';

/** Part of every entry: without times, owners and names of the machine, equal files make an equal tar. */
const ANONYMOUS = { uid: 0, gid: 0, mtime: new Date(0) };

/** A file of the bootstrap layer. */
export interface BootstrapFile {
  /** Name below `image/`: `image.boot`, or `<hex digest>.blob.meta`. */
  name: string;
  path: string;
}

/**
 * Packs the bootstrap layer: a gzipped tar of `image/` with the files in their order, the same bytes for the same files.
 * @param path file to write.
 */
export async function packBootstrap(
  files: readonly BootstrapFile[],
  path: string,
  signal: AbortSignal,
): Promise<BootstrapLayer> {
  const uncompressed = createHash('sha256');
  const compressed = createHash('sha256');
  const tar = pack();
  const entries = addEntries(tar, files).catch((error: unknown) => tar.destroy(asError(error)));
  await pipeline(tar, tap(uncompressed), createGzip(), tap(compressed), createWriteStream(path), { signal });
  await entries;
  const { size } = await stat(path);
  return { digest: `sha256:${compressed.digest('hex')}`, size, diffID: `sha256:${uncompressed.digest('hex')}` };
}

async function addEntries(tar: Pack, files: readonly BootstrapFile[]): Promise<void> {
  tar.entry({ ...ANONYMOUS, name: 'image', type: 'directory', mode: 0o755 });
  for (const { name, path } of files) {
    const { size } = await stat(path);
    await pipeline(createReadStream(path), tar.entry({ ...ANONYMOUS, name: `image/${name}`, size, mode: 0o444 }));
  }
  tar.finalize();
}

/** Passes bytes through and hashes them. */
function tap(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
