import { CHUNK_INFO } from './chunks.ts';
import { RAFS6_SUPERBLOCK, type Inode } from './rafs6.ts';

/** `RafsV6SuperBlockExt`, behind the superblock (nydus rafs/src/metadata/layout/v6.rs). */
export const EXTENSION = RAFS6_SUPERBLOCK + 128;
const CHUNK_SIZE = EXTENSION + 20;
const CHUNK_TABLE_OFFSET = EXTENSION + 24;
const CHUNK_TABLE_SIZE = EXTENSION + 32;

const BLOCK = 4096;
/** Low bits of a chunk format: how often a block doubles. */
const CHUNK_BITS = 0x1f;
/** `RafsV6InodeChunkAddr`: the blob's number plus one in one byte, and the block of the content. */
const ADDRESS = 8;
const ADDRESS_BLOB = 2;
const ADDRESS_BLOCK = 4;

/** Where the content of a chunk is: the number of its blob in the tree's table, and the block of the content. */
export interface ChunkAddress {
  readonly blob: number;
  readonly block: number;
}

/** The table of all chunks, `RafsV5ChunkInfo` each. */
export function chunkTableOf(tree: Buffer): { offset: number; count: number } {
  const offset = Number(tree.readBigUInt64LE(CHUNK_TABLE_OFFSET));
  return { offset, count: boundedCount(tree, offset, Number(tree.readBigUInt64LE(CHUNK_TABLE_SIZE)), CHUNK_INFO) };
}

/** Where the chunks of a file are. What lies in one piece has a single address for several chunks. */
export function* addressesOf(tree: Buffer, { size, tail, chunkFormat }: Inode): Generator<ChunkAddress> {
  const step = Math.max(BLOCK, tree.readUInt32LE(CHUNK_SIZE));
  const covered = BLOCK * 2 ** (chunkFormat & CHUNK_BITS);
  const start = Math.ceil(tail / ADDRESS) * ADDRESS;
  const count = boundedCount(tree, start, Math.ceil(size / covered) * ADDRESS, ADDRESS);
  for (let i = 0; i < count; i += 1) {
    const at = start + i * ADDRESS;
    const blob = tree.readUInt8(at + ADDRESS_BLOB) - 1;
    const block = tree.readUInt32LE(at + ADDRESS_BLOCK);
    for (let offset = 0; offset < Math.min(covered, size - i * covered); offset += step) {
      yield { blob, block: block + offset / BLOCK };
    }
  }
}

/** How many entries of a table there are, all of them within the tree. */
export function boundedCount(tree: Buffer, offset: number, bytes: number, entry: number): number {
  if (offset + bytes > tree.length) {
    throw new RangeError(`a table of ${bytes} bytes at ${offset}`);
  }
  return Math.floor(bytes / entry);
}
