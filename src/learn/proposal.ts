import type { Recording } from './recording.ts';

/**
 * Share of an image, by bytes, that a list may amount to. Fetching all of an image takes the gain of lazy loading away:
 * what a start waits for shares the line with what it never reads.
 */
export const MAX_SHARE = 0.5;

/** Characters that a path may have in the API. */
const MAX_PATH_LENGTH = 4096;

export type RecordedFile = Recording['files'][number];

/** A list of paths to prefetch, and what became of the rest. */
export interface Proposal {
  /** Files of the list, in the order of their first reads. */
  readonly files: readonly RecordedFile[];
  /** Bytes of these, not compressed. */
  readonly bytes: number;
  /** Of the bytes of the image. */
  readonly share: number;
  readonly leftOut: {
    /** Files that alone would have brought the list over its share. */
    readonly tooLarge: readonly RecordedFile[];
    /** Files whose path a list cannot hold. */
    readonly unlistable: readonly RecordedFile[];
    /** Number of files that were read after the list was full. */
    readonly late: number;
  };
}

/**
 * Decides which files make the list: those read first, up to a number and a share of the image. A file that does not fit
 * is left out and smaller ones after it still come in.
 * @param limit paths of the list, MAX_PATHS at most
 */
export function propose({ image, read, files }: Recording, limit: number): Proposal {
  const listed: RecordedFile[] = [];
  const tooLarge: RecordedFile[] = [];
  const unlistable: RecordedFile[] = [];
  const room = image.bytes * MAX_SHARE;
  let bytes = 0;
  for (const file of files) {
    if (listed.length === limit) {
      break;
    }
    if (!isListable(file.path)) {
      unlistable.push(file);
    } else if (bytes + file.bytes > room) {
      tooLarge.push(file);
    } else {
      listed.push(file);
      bytes += file.bytes;
    }
  }
  const late = read.files - listed.length - tooLarge.length - unlistable.length;
  const share = image.bytes === 0 ? 0 : bytes / image.bytes;
  return { files: listed, bytes, share, leftOut: { tooLarge, unlistable, late } };
}

/** Whether nydus-image gets the path as it is: it takes one a line, without the white space at its ends, as UTF-8. */
function isListable(path: string): boolean {
  return path.length <= MAX_PATH_LENGTH && path.trim() === path && !/[\p{Cc}\uFFFD]/u.test(path);
}
