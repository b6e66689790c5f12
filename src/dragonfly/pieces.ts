/** The smallest piece into which dfdaemon cuts a blob (MIN_PIECE_LENGTH; larger ones for blobs of 2 GB and more). */
export const SMALLEST_PIECE = 4 * 1024 * 1024;

/**
 * Offsets, in order, of bytes of a blob that hit each of its pieces at least once, whatever length (from `SMALLEST_PIECE` up)
 * the pieces have: a byte every `SMALLEST_PIECE`, and the last.
 */
export function sampleOffsets(size: number): number[] {
  const offsets: number[] = [];
  for (let offset = 0; offset < size; offset += SMALLEST_PIECE) {
    offsets.push(offset);
  }
  if (size > SMALLEST_PIECE && offsets.at(-1) !== size - 1) {
    offsets.push(size - 1);
  }
  return offsets;
}
