import { z } from 'zod';
import type { AccessRecord } from './records.ts';
import type { Tree } from '../rafs/tree.ts';

/** Files of one recording that are kept, the first ones read; a list holds far fewer. */
const MAX_FILES = 4096;

const Count = z.int().nonnegative();

/** What was read of an image, by path: access records and the image's tree put together. */
export const Recording = z.object({
  image: z.object({
    /** Regular files of the whole image. */
    files: Count,
    /** Bytes of their content, not compressed. */
    bytes: Count,
  }),
  read: z.object({
    /** Regular files that were read, in part at least. */
    files: Count,
    /** Size of these files. */
    bytes: Count,
    /** Records of no regular file of this image. */
    unknown: Count,
  }),
  /** The first of the files that were read, earliest first. */
  files: z
    .array(
      z.object({
        path: z.string(),
        bytes: Count,
        reads: Count,
        /** Milliseconds from the first read of all to that of this file. */
        after: z.number().nonnegative(),
      }),
    )
    .max(MAX_FILES),
});
export type Recording = z.infer<typeof Recording>;

/**
 * Puts records and tree together.
 * @param records earliest first
 * @throws Error where most of the records are of no file of the tree: then it is the tree of another image
 */
export function recordingOf(records: readonly AccessRecord[], tree: Tree): Recording {
  const first = records[0]?.firstRead ?? 0;
  const files = records.flatMap(({ inode, reads, firstRead }) => {
    const file = tree.get(inode);
    // Of an empty file there is nothing to fetch.
    return file === undefined || file.bytes === 0 ? [] : [{ ...file, reads, after: firstRead - first }];
  });
  const unknown = records.filter(({ inode }) => !tree.has(inode)).length;
  if (unknown > records.length / 2) {
    throw new Error(
      `${unknown} of ${records.length} records are of no file of this image: records and tree must be of the same image`,
    );
  }
  return {
    image: { files: tree.size, bytes: sumOf([...tree.values()]) },
    read: { files: files.length, bytes: sumOf(files), unknown },
    files: files.slice(0, MAX_FILES),
  };
}

function sumOf(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
