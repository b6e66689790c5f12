import { CHUNK_INFO, gatherRanges, readChunk, type Chunk } from './chunks.ts';
import { blobIDs6 } from './head.ts';
import { addressesOf, boundedCount, chunkTableOf, EXTENSION } from './chunks6.ts';
import type { BlobRanges } from './ranges.ts';
import { walkRafs6, type Inode } from './rafs6.ts';

const BLOB_TABLE_OFFSET = EXTENSION + 8;
const BLOB_TABLE_SIZE = EXTENSION + 16;
const PREFETCH_OFFSET = EXTENSION + 40;
const PREFETCH_SIZE = EXTENSION + 48;

const BLOCK = 4096;

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
  const { offset, count } = chunkTableOf(tree);
  const chunks = Array.from({ length: count }, (_, i) => readChunk(tree, offset + i * CHUNK_INFO));
  return new Map(chunks.map((chunk) => [keyOf(chunk.blob, chunk.uncompressedOffset / BLOCK), chunk]));
}

function chunksOf(tree: Buffer, inode: Inode, chunks: ReadonlyMap<string, Chunk>): Chunk[] {
  return Array.from(addressesOf(tree, inode), ({ blob, block }) => {
    const chunk = chunks.get(keyOf(blob, block));
    if (chunk === undefined) {
      throw new RangeError(`no chunk at ${keyOf(blob, block)}`);
    }
    return chunk;
  });
}

function keyOf(blob: number, block: number): string {
  return `${blob}:${block}`;
}
