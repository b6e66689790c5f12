import { CHUNK_INFO, gatherRanges, readChunk, type Chunk } from './chunks.ts';
import { blobIDs5 } from './head.ts';
import type { BlobRanges } from './ranges.ts';
import { DIRECTORY, readInodes, REGULAR, type Inode } from './rafs5.ts';

const PREFETCH_OFFSET = 40;
const BLOB_TABLE_OFFSET = 48;
const PREFETCH_ENTRIES = 60;
const BLOB_TABLE_SIZE = 64;

/** Of an inode, and what stands behind it in this order, each aligned: name, link target, extended attributes, chunks. */
const INODE = 128;
const FLAGS = 80;
const CHILD_COUNT = 96;
const NAME_SIZE = 100;
const LINK_SIZE = 102;
const XATTR = 4;
const ALIGNMENT = 8;

/** See prefetchedRanges; of a tree of version 5. Throws RangeError where the tree points outside of itself. */
export function prefetched5(tree: Buffer): BlobRanges {
  const listed = new Set(readList(tree));
  const inodes = readInodes(tree);
  const directories = new Map(inodes.filter(({ type }) => type === DIRECTORY).map((inode) => [inode.number, inode]));
  const isListed = (inode: Inode): boolean => {
    // No deeper than there are directories: a damaged tree may hold one in itself.
    let left = directories.size;
    for (let next: Inode | undefined = inode; next !== undefined && left >= 0; left -= 1) {
      if (listed.has(next.number)) {
        return true;
      }
      next = next.parent === next.number ? undefined : directories.get(next.parent);
    }
    return false;
  };
  const wanted = new Map(
    inodes.filter((inode) => inode.type === REGULAR && isListed(inode)).map((inode) => [inode.number, inode]),
  );
  return gatherRanges(
    [...wanted.values()].flatMap((inode) => chunksOf(tree, inode)),
    readBlobIDs(tree),
  );
}

/** Numbers of the inodes that are listed. */
function readList(tree: Buffer): number[] {
  const offset = Number(tree.readBigUInt64LE(PREFETCH_OFFSET));
  const count = tree.readUInt32LE(PREFETCH_ENTRIES);
  if (offset + count * 4 > tree.length) {
    throw new RangeError(`${count} inodes to prefetch at ${offset}`);
  }
  return Array.from({ length: count }, (_, i) => tree.readUInt32LE(offset + i * 4));
}

function readBlobIDs(tree: Buffer): string[] {
  const offset = Number(tree.readBigUInt64LE(BLOB_TABLE_OFFSET));
  return blobIDs5(tree.subarray(offset, offset + tree.readUInt32LE(BLOB_TABLE_SIZE)));
}

function chunksOf(tree: Buffer, { at }: Inode): Chunk[] {
  let start = at + INODE + align(tree.readUInt16LE(at + NAME_SIZE)) + align(tree.readUInt16LE(at + LINK_SIZE));
  if ((tree.readUInt32LE(at + FLAGS) & XATTR) !== 0) {
    start += ALIGNMENT + align(Number(tree.readBigUInt64LE(start)));
  }
  const count = tree.readUInt32LE(at + CHILD_COUNT);
  if (start + count * CHUNK_INFO > tree.length) {
    throw new RangeError(`${count} chunks at ${start}`);
  }
  return Array.from({ length: count }, (_, i) => readChunk(tree, start + i * CHUNK_INFO));
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
