import { readRafs5, RAFS5_MAGIC } from './rafs5.ts';
import { RAFS6_MAGIC, RAFS6_SUPERBLOCK, readRafs6 } from './rafs6.ts';

/** A regular file of an image. */
export interface TreeFile {
  /** Absolute, without symbolic links; of a file with several names, one of them. */
  readonly path: string;
  /** Size of its content, not compressed. */
  readonly bytes: number;
}

/** The regular files of an image by the inode numbers that nydusd records. */
export type Tree = ReadonlyMap<number, TreeFile>;

/** The bytes are no tree of a Nydus image. */
export class TreeError extends Error {
  override name = 'TreeError';
}

/**
 * Reads the tree of a Nydus image, a RAFS bootstrap (`image.boot`) of version 6 or 5. Not a byte of it is trusted.
 * @throws TreeError saying what is wrong with it
 */
export function readTree(bootstrap: Buffer): Tree {
  return readRafs(bootstrap, { 6: readRafs6, 5: readRafs5 });
}

/**
 * Reads something of a RAFS bootstrap by the reader for its version.
 * @throws TreeError saying what is wrong with it
 */
export function readRafs<T>(bootstrap: Buffer, readers: Readonly<Record<5 | 6, (bootstrap: Buffer) => T>>): T {
  try {
    if (bootstrap.length >= RAFS6_SUPERBLOCK + 4 && bootstrap.readUInt32LE(RAFS6_SUPERBLOCK) === RAFS6_MAGIC) {
      return readers[6](bootstrap);
    }
    if (bootstrap.length >= 4 && bootstrap.readUInt32LE(0) === RAFS5_MAGIC) {
      return readers[5](bootstrap);
    }
  } catch (error) {
    // A number in it points to where there is nothing.
    if (error instanceof RangeError) {
      throw new TreeError('the tree of the image is cut off or damaged', { cause: error });
    }
    throw error;
  }
  throw new TreeError('it is no tree of a Nydus image: give the file image.boot of the bootstrap layer');
}
