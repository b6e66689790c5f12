import { RAFS5_MAGIC } from './rafs5.ts';
import { RAFS6_MAGIC, RAFS6_SUPERBLOCK } from './rafs6.ts';
import { TreeError } from './tree.ts';

/** Bytes of a bootstrap that {@link readHead} needs, where it has as many. */
export const HEAD_LENGTH = 4096;

/** `RafsV5SuperBlock` (nydus rafs/src/metadata/layout/v5.rs). */
const TABLE_OFFSET_5 = 48;
const TABLE_SIZE_5 = 64;
/** In a table of version 5, before each id: what to read ahead. */
const READAHEAD = 8;

/** `RafsV6SuperBlockExt`, behind the superblock (nydus rafs/src/metadata/layout/v6.rs). */
const EXTENSION = RAFS6_SUPERBLOCK + 128;
const TABLE_OFFSET_6 = EXTENSION + 8;
const TABLE_SIZE_6 = EXTENSION + 16;
/** `RafsV6Blob`: its id in hex, and more. */
const BLOB = 256;
const BLOB_ID = 64;

/** Most bytes of a table: nydus-image counts blobs in a byte. */
const TABLE_MAX = 256 * BLOB;

/** What a bootstrap says of itself at its beginning. */
export interface BootstrapHead {
  readonly fsVersion: '5' | '6';
  /** Where the table of its blobs is. */
  readonly table: { readonly offset: number; readonly length: number };
}

/**
 * Reads the head of a bootstrap, of RAFS version 6 or 5, without the tree behind it.
 * @param bytes its first {@link HEAD_LENGTH} bytes, or all.
 * @throws TreeError where it is none.
 */
export function readHead(bytes: Buffer): BootstrapHead {
  if (bytes.length >= TABLE_SIZE_6 + 4 && bytes.readUInt32LE(RAFS6_SUPERBLOCK) === RAFS6_MAGIC) {
    return {
      fsVersion: '6',
      table: tableOf(bytes.readBigUInt64LE(TABLE_OFFSET_6), bytes.readUInt32LE(TABLE_SIZE_6)),
    };
  }
  if (bytes.length >= TABLE_SIZE_5 + 4 && bytes.readUInt32LE(0) === RAFS5_MAGIC) {
    return {
      fsVersion: '5',
      table: tableOf(bytes.readBigUInt64LE(TABLE_OFFSET_5), bytes.readUInt32LE(TABLE_SIZE_5)),
    };
  }
  throw new TreeError('it is no tree of a Nydus image');
}

/** Ids of the blobs, the hex of their digests, from the bytes of the table. */
export function blobIDs(fsVersion: '5' | '6', table: Buffer): string[] {
  return fsVersion === '6' ? blobIDs6(table) : blobIDs5(table);
}

/** See {@link blobIDs}; of version 6. */
export function blobIDs6(table: Buffer): string[] {
  return Array.from({ length: Math.floor(table.length / BLOB) }, (_, i) =>
    table.toString('latin1', i * BLOB, i * BLOB + BLOB_ID),
  );
}

/** See {@link blobIDs}; of version 5. */
export function blobIDs5(table: Buffer): string[] {
  const ids: string[] = [];
  for (let at = READAHEAD; at < table.length;) {
    const zero = table.indexOf(0, at);
    const end = zero === -1 ? table.length : zero;
    if (end === at) {
      break;
    }
    ids.push(table.toString('latin1', at, end));
    at = end + 1 + READAHEAD;
  }
  return ids;
}

function tableOf(offset: bigint, length: number): BootstrapHead['table'] {
  if (offset > BigInt(Number.MAX_SAFE_INTEGER) || length > TABLE_MAX) {
    throw new TreeError(`the tree of the image is damaged: a table of ${length} bytes at ${offset}`);
  }
  return { offset: Number(offset), length };
}
