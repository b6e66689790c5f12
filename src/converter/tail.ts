import { Readable } from 'node:stream';
import type { BlobReader } from './blobtoc.ts';

/** The last bytes of a stream, kept while it passes. */
export interface Tail {
  push(chunk: Buffer): void;
  /** The kept bytes: at least the capacity, or all there were. */
  bytes(): Buffer;
}

/** @param capacity bytes; up to a chunk more are held. */
export function keepTail(capacity: number): Tail {
  const chunks: Buffer[] = [];
  let length = 0;
  return {
    push(chunk) {
      chunks.push(chunk);
      length += chunk.length;
      while (chunks[0] !== undefined && length - chunks[0].length >= capacity) {
        length -= chunks[0].length;
        chunks.shift();
      }
    },
    bytes: () => Buffer.concat(chunks),
  };
}

/** Reads a blob's last bytes from memory and the others from where it is. */
export function withTail(blob: BlobReader, bytes: Buffer): BlobReader {
  const start = blob.size - bytes.length;
  return {
    size: blob.size,
    async read(offset, length) {
      if (offset < start) {
        return blob.read(offset, length);
      }
      const from = offset - start;
      return Readable.from([bytes.subarray(from, from + length)], { objectMode: false });
    },
  };
}
