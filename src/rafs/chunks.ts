import type { ByteRange } from './ranges.ts';

/** `RafsV5ChunkInfo`, which both versions have: digest, then where the chunk is (nydus rafs/src/metadata/layout/v5.rs). */
export const CHUNK_INFO = 80;

const BLOB_INDEX = 32;
const COMPRESSED_SIZE = 40;
const COMPRESSED_OFFSET = 48;
const UNCOMPRESSED_OFFSET = 56;

/** Where a chunk is. */
export interface Chunk {
  /** In the tree's table of blobs. */
  readonly blob: number;
  /** Of its data in the blob as it lies in the registry. */
  readonly stored: ByteRange;
  /** Of its content among that of all chunks of the blob. */
  readonly uncompressedOffset: number;
}

/** Reads the chunk at an offset of the tree. Throws RangeError where the tree ends before. */
export function readChunk(tree: Buffer, at: number): Chunk {
  return {
    blob: tree.readUInt32LE(at + BLOB_INDEX),
    stored: {
      offset: Number(tree.readBigUInt64LE(at + COMPRESSED_OFFSET)),
      length: tree.readUInt32LE(at + COMPRESSED_SIZE),
    },
    uncompressedOffset: Number(tree.readBigUInt64LE(at + UNCOMPRESSED_OFFSET)),
  };
}

/** Gathers what is stored of chunks by the ids of their blobs. Throws RangeError for a chunk of no blob. */
export function gatherRanges(chunks: Iterable<Chunk>, blobIDs: readonly string[]): Map<string, ByteRange[]> {
  const ranges = new Map<string, ByteRange[]>();
  for (const { blob, stored } of chunks) {
    const id = blobIDs[blob];
    if (id === undefined) {
      throw new RangeError(`a chunk of blob ${blob}`);
    }
    const known = ranges.get(id);
    if (known === undefined) {
      ranges.set(id, [stored]);
    } else {
      known.push(stored);
    }
  }
  return ranges;
}
