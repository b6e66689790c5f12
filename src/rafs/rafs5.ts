/**
 * RAFS v5: a table of inodes, each with its number, that of its parent and its name behind it (nydus
 * rafs/src/metadata/layout/v5.rs).
 */
import type { Tree, TreeFile } from './tree.ts';

export const RAFS5_MAGIC = 0x52414653;

const TABLE_OFFSET = 32;
const TABLE_ENTRIES = 56;
/** Offsets in the table are counted in these. */
const ALIGNMENT = 8;

const PARENT = 32;
const NUMBER = 40;
const MODE = 60;
const SIZE = 64;
const NAME_SIZE = 100;
const NAME = 128;

const TYPE_MASK = 0xf000;
export const REGULAR = 0x8000;
export const DIRECTORY = 0x4000;
const ROOT = 1;
/** Levels that a path of Linux may have (PATH_MAX). */
const MAX_DEPTH = 2048;

/** What is read of an inode. */
export interface Inode {
  /** Where it begins. */
  readonly at: number;
  readonly number: number;
  readonly parent: number;
  readonly type: number;
  readonly size: number;
  readonly name: string;
}

/** Files of a RAFS v5 tree. Throws RangeError where the tree points outside of itself, or is none. */
export function readRafs5(bootstrap: Buffer): Tree {
  const inodes = readInodes(bootstrap);
  const directories = new Map(inodes.filter(({ type }) => type === DIRECTORY).map((inode) => [inode.number, inode]));
  const files = new Map<number, TreeFile>();
  for (const inode of inodes) {
    if (inode.type === REGULAR && !files.has(inode.number)) {
      files.set(inode.number, { path: pathOf(inode, directories), bytes: inode.size });
    }
  }
  return files;
}

/** All inodes. Throws RangeError as {@link readRafs5} does. */
export function readInodes(bootstrap: Buffer): Inode[] {
  const table = Number(bootstrap.readBigUInt64LE(TABLE_OFFSET));
  const entries = bootstrap.readUInt32LE(TABLE_ENTRIES);
  const inodes: Inode[] = [];
  for (let index = 0; index < entries; index += 1) {
    inodes.push(readInode(bootstrap, bootstrap.readUInt32LE(table + index * 4) * ALIGNMENT));
  }
  return inodes;
}

function readInode(tree: Buffer, at: number): Inode {
  const name = at + NAME;
  const end = name + tree.readUInt16LE(at + NAME_SIZE);
  if (end > tree.length) {
    throw new RangeError(`a name at ${name}`);
  }
  return {
    at,
    number: Number(tree.readBigUInt64LE(at + NUMBER)),
    parent: Number(tree.readBigUInt64LE(at + PARENT)),
    type: tree.readUInt32LE(at + MODE) & TYPE_MASK,
    size: Number(tree.readBigUInt64LE(at + SIZE)),
    name: tree.toString('utf8', name, end),
  };
}

/** Its absolute path. Throws RangeError as {@link readRafs5} does. */
export function pathOf(inode: Inode, directories: ReadonlyMap<number, Inode>): string {
  const names = [inode.name];
  for (let number = inode.parent; number !== ROOT;) {
    const directory = directories.get(number);
    // A damaged tree may hold a directory in itself.
    if (directory === undefined || names.length > MAX_DEPTH) {
      throw new RangeError(`the parent ${number}`);
    }
    names.push(directory.name);
    number = directory.parent;
  }
  return `/${names.toReversed().join('/')}`;
}
