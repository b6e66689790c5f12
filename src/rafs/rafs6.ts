/**
 * RAFS v6: an EROFS file system whose file content is elsewhere (nydus rafs/src/metadata/layout/v6.rs; Linux
 * fs/erofs/erofs_fs.h). Only what names and sizes need is read. An inode's number is its place, counted in slots.
 */
import type { Tree, TreeFile } from './tree.ts';

/** Where the superblock begins. */
export const RAFS6_SUPERBLOCK = 1024;
export const RAFS6_MAGIC = 0xe0f5e1e2;

const BLOCK = 4096;
const SLOT = 32;
/** Number of the root's inode in the superblock. */
export const ROOT_NID = RAFS6_SUPERBLOCK + 14;
const META_BLOCK = RAFS6_SUPERBLOCK + 40;

const DIRENT = 12;
const INLINE = 2;
const TYPE_MASK = 0xf000;
const REGULAR = 0x8000;
const DIRECTORY = 0x4000;

/** What is read of an inode. */
export interface Inode {
  readonly directory: boolean;
  readonly regular: boolean;
  /** Permissions, set-ID and sticky bits. */
  readonly mode: number;
  readonly size: number;
  /** Offset of what stands behind it and its extended attributes. */
  readonly tail: number;
  /** `erofs_inode_chunk_info`: format of its chunks; of regular files only. */
  readonly chunkFormat: number;
  /** Offset of the byte at a place of its content that is a multiple of a block; of directories only. */
  readonly block: (index: number) => number;
}

/** Files of a RAFS v6 tree. Throws RangeError where the tree points outside of itself, or is none. */
export function readRafs6(bootstrap: Buffer): Tree {
  const files = new Map<number, TreeFile>();
  for (const { nid, path, inode } of walkRafs6(bootstrap, bootstrap.readUInt16LE(ROOT_NID))) {
    if (inode.regular && !files.has(nid)) {
      files.set(nid, { path, bytes: inode.size });
    }
  }
  return files;
}

/** An inode, and everything below it where it is a directory. Throws RangeError as {@link readRafs6} does. */
export function* walkRafs6(bootstrap: Buffer, from: number): Generator<{ nid: number; path: string; inode: Inode }> {
  const inodeAt = (nid: number): Inode => readInode(bootstrap, bootstrap.readUInt32LE(META_BLOCK) * BLOCK + nid * SLOT);
  const first = { nid: from, path: '', inode: inodeAt(from) };
  yield first;
  // A damaged tree may hold a directory in itself.
  const seen = new Set([from]);
  const open = first.inode.directory ? [first] : [];
  let entries = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const entry of entriesOf(bootstrap, next.inode)) {
      entries += 1;
      if (entries > bootstrap.length / DIRENT) {
        throw new RangeError('directories that share their entries');
      }
      const child = { nid: entry.nid, path: `${next.path}/${entry.name}`, inode: inodeAt(entry.nid) };
      if (child.inode.directory) {
        if (seen.has(entry.nid)) {
          continue;
        }
        seen.add(entry.nid);
        open.push(child);
      }
      yield child;
    }
  }
}

/** `erofs_inode_compact` and `erofs_inode_extended`, by the first bit of their format. */
function readInode(tree: Buffer, at: number): Inode {
  const format = tree.readUInt16LE(at);
  const extended = (format & 1) === 1;
  const attributes = tree.readUInt16LE(at + 2);
  const mode = tree.readUInt16LE(at + 4);
  const type = mode & TYPE_MASK;
  const size = extended ? Number(tree.readBigUInt64LE(at + 8)) : tree.readUInt32LE(at + 8);
  const data = tree.readUInt32LE(at + 16) * BLOCK;
  const tail = at + (extended ? 64 : 32) + (attributes === 0 ? 0 : 12 + (attributes - 1) * 4);
  const last = Math.ceil(size / BLOCK) - 1;
  const inline = ((format >> 1) & 7) === INLINE;
  return {
    directory: type === DIRECTORY,
    regular: type === REGULAR,
    mode: mode & 0o7777,
    size,
    tail,
    chunkFormat: tree.readUInt32LE(at + 16),
    // The last block of an inline layout lies behind the inode and its extended attributes.
    block: (index) => (inline && index === last ? tail : data + index * BLOCK),
  };
}

function* entriesOf(tree: Buffer, { size, block }: Inode): Generator<{ nid: number; name: string }> {
  if (size > tree.length) {
    throw new RangeError(`a directory of ${size} bytes`);
  }
  for (let index = 0; index * BLOCK < size; index += 1) {
    const length = Math.min(BLOCK, size - index * BLOCK);
    const at = block(index);
    if (at + length > tree.length) {
      throw new RangeError(`a directory at ${at}`);
    }
    yield* entriesOfBlock(tree.subarray(at, at + length));
  }
}

/** `erofs_dirent`s, and then their names one after another; the last ends with the block or at a zero. */
function* entriesOfBlock(block: Buffer): Generator<{ nid: number; name: string }> {
  const count = Math.floor(block.readUInt16LE(8) / DIRENT);
  for (let index = 0; index < count; index += 1) {
    const at = index * DIRENT;
    const start = block.readUInt16LE(at + 8);
    const end = index + 1 < count ? block.readUInt16LE(at + DIRENT + 8) : block.length;
    const bytes = block.subarray(start, end);
    const zero = bytes.indexOf(0);
    const name = bytes.toString('utf8', 0, zero === -1 ? bytes.length : zero);
    if (name !== '.' && name !== '..') {
      yield { nid: Number(block.readBigUInt64LE(at)), name };
    }
  }
}
