import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Extract } from 'tar-stream';
import { blobIDs, HEAD_LENGTH, readHead } from '../rafs/head.ts';
import type { FsVersion } from './nydus.ts';

const BOOT = 'image/image.boot';
/** Most bytes that a bootstrap layer may decompress to: the tree of an image with millions of files. */
const LAYER_MAX = 1 << 30;

/** What the bootstrap layer of a Nydus image tells, whoever made it. */
export interface BootstrapFacts {
  fsVersion: FsVersion;
  /** Hex digests of the blobs that the tree reads from. */
  blobs: string[];
}

/**
 * Reads a bootstrap layer while it passes: of the tree only its head and the table of its blobs are kept, however big it is.
 * @param layer its gzipped tar; a stream that fails at its end if the digest is wrong fails this, too.
 * @throws Error saying what is wrong with it, TreeError for a bootstrap that is none.
 */
export async function readBootstrapLayer(layer: Readable, signal: AbortSignal): Promise<BootstrapFacts> {
  const tar = extract();
  const fed = pipeline(layer, createGunzip(), tar, { signal });
  // Its failure may be no more than the end of the other, which tells more.
  fed.catch(() => undefined);
  const facts = await readTar(tar);
  await fed;
  if (facts === undefined) {
    throw new Error(`its last layer holds no ${BOOT}`);
  }
  return facts;
}

async function readTar(tar: Extract): Promise<BootstrapFacts | undefined> {
  let facts: BootstrapFacts | undefined;
  let left = LAYER_MAX;
  for await (const entry of tar) {
    left -= entry.header.size ?? 0;
    if (left < 0) {
      throw new Error(`its tree is bigger than ${LAYER_MAX} bytes`);
    }
    if (entry.header.name === BOOT && facts === undefined) {
      facts = await readBoot(entry as AsyncIterable<Buffer>);
    } else {
      entry.resume();
    }
  }
  return facts;
}

async function readBoot(bytes: AsyncIterable<Buffer>): Promise<BootstrapFacts> {
  let head: Buffer = Buffer.alloc(0);
  let table: { offset: number; parts: Buffer[]; left: number } | undefined;
  let fsVersion: FsVersion | undefined;
  const begin = (): void => {
    const { fsVersion: version, table: at } = readHead(head);
    fsVersion = version;
    table = { offset: at.offset, parts: [], left: at.length };
    keep(head, 0);
  };
  /** Keeps what of a chunk, which begins so far into the tree, is of the table. */
  const keep = (chunk: Buffer, start: number): void => {
    if (table === undefined) {
      return;
    }
    const part = chunk.subarray(Math.max(0, table.offset - start)).subarray(0, table.left);
    table.parts.push(part);
    table.offset += part.length;
    table.left -= part.length;
  };
  let length = 0;
  for await (const chunk of bytes) {
    if (table !== undefined) {
      keep(chunk, length);
    } else {
      head = Buffer.concat([head, chunk]);
      if (head.length >= HEAD_LENGTH) {
        begin();
      }
    }
    length += chunk.length;
  }
  if (table === undefined) {
    begin();
  }
  if (table === undefined || fsVersion === undefined || table.left > 0) {
    throw new Error('the tree of the image is cut off');
  }
  return { fsVersion, blobs: blobIDs(fsVersion, Buffer.concat(table.parts)) };
}
