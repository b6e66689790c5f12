import { CHUNK_INFO, gatherRanges, readChunk, type Chunk } from './chunks.ts';
import { blobIDs6 } from './head.ts';
import type { BlobRanges } from './ranges.ts';
import { RAFS6_SUPERBLOCK, walkRafs6, type Inode } from './rafs6.ts';

/** `RafsV6SuperBlockExt`, behind the superblock (nydus rafs/src/metadata/layout/v6.rs). */
const EXTENSION = RAFS6_SUPERBLOCK + 128;
const BLOB_TABLE_OFFSET = EXTENSION + 8;
const BLOB_TABLE_SIZE = EXTENSION + 16;
const CHUNK_SIZE = EXTENSION + 20;
const CHUNK_TABLE_OFFSET = EXTENSION + 24;
const CHUNK_TABLE_SIZE = EXTENSION + 32;
const PREFETCH_OFFSET = EXTENSION + 40;
const PREFETCH_SIZE = EXTENSION + 48;

const BLOCK = 4096;
/** Low bits of a chunk format: how often a block doubles. */
const CHUNK_BITS = 0x1f;
/** `RafsV6InodeChunkAddr`: the blob's number plus one in one byte, and the block of the content. */
const ADDRESS = 8;
const ADDRESS_BLOB = 2;
const ADDRESS_BLOCK = 4;

/** See prefetchedRanges; of a tree of version 6. Throws RangeError where the tree points outside of itself. */
export function prefetched6(tree: Buffer): BlobRanges {
  const chunks = readChunks(tree);
  const seen = new Map<number, Inode>();
  for (const listed of readList(tree)) {
    for (const { nid, inode } of seen.has(listed) ? [] : walkRafs6(tree, listed)) {
      seen.set(nid, inode);
    }
  }
  const wanted = [...seen.values()].filter(({ regular }) => regular);
  return gatherRanges(
    wanted.flatMap((inode) => chunksOf(tree, inode, chunks)),
    readBlobIDs(tree),
  );
}

/** Numbers of the inodes that are listed. */
function readList(tree: Buffer): number[] {
  const offset = Number(tree.readBigUInt64LE(PREFETCH_OFFSET));
  const size = tree.readUInt32LE(PREFETCH_SIZE);
  return Array.from({ length: boundedCount(tree, offset, size, 4) }, (_, i) => tree.readUInt32LE(offset + i * 4));
}

function readBlobIDs(tree: Buffer): string[] {
  const offset = Number(tree.readBigUInt64LE(BLOB_TABLE_OFFSET));
  const size = tree.readUInt32LE(BLOB_TABLE_SIZE);
  boundedCount(tree, offset, size, 1);
  return blobIDs6(tree.subarray(offset, offset + size));
}

/** All chunks, by their blob and the block of their content. */
function readChunks(tree: Buffer): ReadonlyMap<string, Chunk> {
  const offset = Number(tree.readBigUInt64LE(CHUNK_TABLE_OFFSET));
  const count = boundedCount(tree, offset, Number(tree.readBigUInt64LE(CHUNK_TABLE_SIZE)), CHUNK_INFO);
  const chunks = Array.from({ length: count }, (_, i) => readChunk(tree, offset + i * CHUNK_INFO));
  return new Map(chunks.map((chunk) => [keyOf(chunk.blob, chunk.uncompressedOffset / BLOCK), chunk]));
}

/** The chunks of a file. What lies in one piece has a single address for several chunks. */
function chunksOf(tree: Buffer, { size, tail, chunkFormat }: Inode, chunks: ReadonlyMap<string, Chunk>): Chunk[] {
  const step = Math.max(BLOCK, tree.readUInt32LE(CHUNK_SIZE));
  const covered = BLOCK * 2 ** (chunkFormat & CHUNK_BITS);
  const start = Math.ceil(tail / ADDRESS) * ADDRESS;
  const count = boundedCount(tree, start, Math.ceil(size / covered) * ADDRESS, ADDRESS);
  const found: Chunk[] = [];
  for (let i = 0; i < count; i += 1) {
    const at = start + i * ADDRESS;
    const blob = tree.readUInt8(at + ADDRESS_BLOB) - 1;
    const block = tree.readUInt32LE(at + ADDRESS_BLOCK);
    for (let offset = 0; offset < Math.min(covered, size - i * covered); offset += step) {
      const key = keyOf(blob, block + offset / BLOCK);
      const chunk = chunks.get(key);
      if (chunk === undefined) {
        throw new RangeError(`no chunk at ${key}`);
      }
      found.push(chunk);
    }
  }
  return found;
}

function keyOf(blob: number, block: number): string {
  return `${blob}:${block}`;
}

/** How many entries of a table there are, all of them within the tree. */
function boundedCount(tree: Buffer, offset: number, bytes: number, entry: number): number {
  if (offset + bytes > tree.length) {
    throw new RangeError(`a table of ${bytes} bytes at ${offset}`);
  }
  return Math.floor(bytes / entry);
}
