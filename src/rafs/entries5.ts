import type { TreeEntry } from './entries.ts';
import { DIRECTORY, pathOf, readInodes, REGULAR } from './rafs5.ts';

/** Of an inode: the digest of its content, its mode, and how many names it has. */
const DIGEST = { offset: 0, length: 32 };
const MODE = 60;

/** See readEntries; of a tree of version 5. Throws RangeError where the tree points outside of itself. */
export function entries5(tree: Buffer, contentFrom: number): TreeEntry[] {
  const inodes = readInodes(tree);
  const directories = new Map(inodes.filter(({ type }) => type === DIRECTORY).map((inode) => [inode.number, inode]));
  const names = new Map<number, number>();
  for (const { number } of inodes) {
    names.set(number, (names.get(number) ?? 0) + 1);
  }
  return inodes.map((inode): TreeEntry => {
    const { at, number, type, size } = inode;
    const mode = tree.readUInt32LE(at + MODE) & 0o7777;
    const path = number === 1 ? '' : pathOf(inode, directories).slice(1);
    if (type !== REGULAR) {
      return { path, kind: type === DIRECTORY ? 'folder' : 'other', mode, size: 0 };
    }
    return {
      path,
      kind: 'file',
      mode,
      size,
      ...(size < contentFrom
        ? {}
        : { content: tree.toString('latin1', at + DIGEST.offset, at + DIGEST.offset + DIGEST.length) }),
      ...((names.get(number) ?? 0) > 1 ? { links: number } : {}),
    };
  });
}
