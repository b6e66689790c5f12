import { Readable } from 'node:stream';
import type { BlobReader } from './blobtoc.ts';

/** The last bytes of a stream, copied while it passes. */
export interface Tail {
  push(chunk: Buffer): void;
  /** The kept bytes: as many as the capacity, or all there were. */
  bytes(): Buffer;
}

/** @param capacity bytes. */
export function keepTail(capacity: number): Tail {
  const kept = Buffer.allocUnsafeSlow(capacity);
  let length = 0;
  return {
    push(chunk) {
      const end = chunk.subarray(-capacity);
      const staying = Math.min(length, capacity - end.length);
      kept.copyWithin(0, length - staying, length);
      end.copy(kept, staying);
      length = staying + end.length;
    },
    bytes: () => kept.subarray(0, length),
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
