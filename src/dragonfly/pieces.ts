import type { Range } from '../registry/requests.ts';

/** The smallest piece into which dfdaemon cuts a blob (MIN_PIECE_LENGTH; larger ones for blobs of 2 GB and more). */
export const SMALLEST_PIECE = 4 * 1024 * 1024;

/** A blob, or the parts of it that are wanted. */
export interface Wanted {
  /** Bytes of the whole blob. */
  size: number;
  /** What is wanted; all of it when absent. */
  ranges?: readonly Range[] | undefined;
}

/**
 * Offsets, in order, of bytes of a blob that hit each of its wanted pieces at least once, whatever length (from
 * `SMALLEST_PIECE` up) the pieces have: a byte every `SMALLEST_PIECE`, and the last.
 */
export function sampleOffsets({ size, ranges }: Wanted): number[] {
  const offsets: number[] = [];
  for (let offset = 0; offset < size; offset += SMALLEST_PIECE) {
    offsets.push(offset);
  }
  if (size > SMALLEST_PIECE && offsets.at(-1) !== size - 1) {
    offsets.push(size - 1);
  }
  return ranges === undefined ? offsets : offsets.filter((offset) => isWanted(offset, ranges));
}

/** Bytes of the wanted pieces, taken to be as small as they can be. */
export function wantedBytes({ size, ranges }: Wanted): number {
  if (ranges === undefined) {
    return size;
  }
  let bytes = 0;
  for (let offset = 0; offset < size; offset += SMALLEST_PIECE) {
    bytes += isWanted(offset, ranges) ? Math.min(SMALLEST_PIECE, size - offset) : 0;
  }
  return bytes;
}

/** Tells what is wanted of a blob from what is wanted of others, and from other parts of it. */
export function wantedKey({ digest, ranges }: Wanted & { digest: string }): string {
  return ranges === undefined
    ? digest
    : `${digest} ${ranges.map(({ offset, length }) => `${offset}+${length}`).join()}`;
}

/** Whether anything is wanted of the smallest piece in which an offset lies. */
function isWanted(at: number, ranges: readonly Range[]): boolean {
  const start = at - (at % SMALLEST_PIECE);
  return ranges.some(({ offset, length }) => offset < start + SMALLEST_PIECE && offset + length > start);
}
