import { Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { frameSplitter, isZstd, MAGIC_LENGTH } from './zstd.ts';

/** Bytes that the decoder hands on at a time: each piece costs a turn of the event loop, whatever is in it. */
const CHUNK = 256 * 1024;

/** How the bytes of a layer are compressed. */
export type Compression = 'gzip' | 'zstd' | 'none';

/**
 * Tells the compression from the first bytes, as containerd does: media types say `tar+gzip` of layers that are not, and
 * runtimes take them all the same.
 */
export function detectCompression(head: Buffer): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b && head[2] === 0x08) {
    return 'gzip';
  }
  return isZstd(head) ? 'zstd' : 'none';
}

/** A layer's stream, and how it is compressed. */
export interface OpenedLayer {
  whole: Readable;
  compression: Compression;
}

/**
 * A layer's stream and the transforms that make a plain tar of it, in the order of a pipeline. What the source throws comes out
 * of the first of the streams.
 */
export async function openLayer(source: AsyncIterable<Buffer>): Promise<[Readable, ...Transform[]]> {
  const { whole, compression } = await peek(source);
  switch (compression) {
    case 'gzip':
      return [whole, createGunzip({ chunkSize: CHUNK })];
    case 'zstd':
      return [whole, frameSplitter(), createZstdDecompress({ chunkSize: CHUNK })];
    case 'none':
      return [whole];
  }
}

/** Reads as far as the compression cannot be told otherwise. What the source throws comes out of the stream. */
export async function peek(source: AsyncIterable<Buffer>): Promise<OpenedLayer> {
  const chunks = source[Symbol.asyncIterator]();
  const head: Buffer[] = [];
  let length = 0;
  let ended = false;
  while (length < MAGIC_LENGTH && !ended) {
    const next = await chunks.next();
    ended = next.done === true;
    if (next.done !== true) {
      head.push(next.value);
      length += next.value.length;
    }
  }
  const whole = Readable.from(chain(head, { [Symbol.asyncIterator]: () => chunks }), { objectMode: false });
  return { whole, compression: detectCompression(Buffer.concat(head)) };
}

async function* chain(head: Iterable<Buffer>, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* head;
  yield* rest;
}
