import { createHash } from 'node:crypto';
import { CHUNK_INFO, readChunk } from './chunks.ts';
import { addressesOf, chunkTableOf } from './chunks6.ts';
import type { TreeEntry } from './entries.ts';
import { ROOT_NID, walkRafs6, type Inode } from './rafs6.ts';

const DIGEST = 32;
const BLOCK = 4096;
/** More blocks than a blob has: what keeps the numbers of blob and block apart in one. */
const BLOCKS = 2 ** 32;

/** See readEntries; of a tree of version 6. Throws RangeError where the tree points outside of itself. */
export function entries6(tree: Buffer, contentFrom: number): TreeEntry[] {
  const digests = chunkDigests(tree);
  const entries: TreeEntry[] = [];
  const names = new Map<number, number>();
  const nids: number[] = [];
  for (const { nid, path, inode } of walkRafs6(tree, tree.readUInt16LE(ROOT_NID))) {
    const { regular, directory, mode, size } = inode;
    nids.push(nid);
    names.set(nid, (names.get(nid) ?? 0) + 1);
    const clean = path.slice(1);
    entries.push(
      regular
        ? {
            path: clean,
            kind: 'file',
            mode,
            size,
            ...(size < contentFrom ? {} : { content: contentOf(tree, inode, digests) }),
          }
        : { path: clean, kind: directory ? 'folder' : 'other', mode, size: 0 },
    );
  }
  return entries.map((entry, i) => {
    const nid = nids[i] ?? 0;
    return entry.kind === 'file' && (names.get(nid) ?? 0) > 1 ? { ...entry, links: nid } : entry;
  });
}

/** Where the digest of each chunk is, by its blob and the block of its content. */
function chunkDigests(tree: Buffer): ReadonlyMap<number, number> {
  const { offset, count } = chunkTableOf(tree);
  const digests = new Map<number, number>();
  for (let at = offset; at < offset + count * CHUNK_INFO; at += CHUNK_INFO) {
    const { blob, uncompressedOffset } = readChunk(tree, at);
    digests.set(blob * BLOCKS + uncompressedOffset / BLOCK, at);
  }
  return digests;
}

/** A digest over those of the chunks of a file. */
function contentOf(tree: Buffer, inode: Inode, digests: ReadonlyMap<number, number>): string {
  const hash = createHash('sha256');
  for (const { blob, block } of addressesOf(tree, inode)) {
    const at = digests.get(blob * BLOCKS + block);
    if (at === undefined) {
      throw new RangeError(`no chunk at ${blob}:${block}`);
    }
    hash.update(tree.subarray(at, at + DIGEST));
  }
  return hash.digest().toString('latin1');
}
