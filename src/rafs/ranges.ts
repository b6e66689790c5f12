/** A part of a blob, in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Parts of blobs, by the blobs' ids: the hex of their digests. */
export type BlobRanges = ReadonlyMap<string, readonly ByteRange[]>;

/**
 * The same bytes and some more in fewer ranges, in order: every range begins and ends at a multiple of `unit`, and none touches
 * the next.
 */
export function coarsen(ranges: readonly ByteRange[], unit: number): ByteRange[] {
  const rounded = ranges
    .filter(({ length }) => length > 0)
    .map(({ offset, length }) => ({
      start: Math.floor(offset / unit) * unit,
      end: Math.ceil((offset + length) / unit) * unit,
    }))
    .toSorted((a, b) => a.start - b.start);
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of rounded) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end) {
      last.end = Math.max(last.end, end);
    } else {
      merged.push({ start, end });
    }
  }
  return merged.map(({ start, end }) => ({ offset: start, length: end - start }));
}

/** Ranges as text, such as `0-1048575,4194304-5242879`: first and last byte, as in HTTP's Range. */
export function formatRanges(ranges: readonly ByteRange[]): string {
  return ranges.map(({ offset, length }) => `${offset}-${offset + length - 1}`).join(',');
}

/** Reads what {@link formatRanges} writes; undefined where it is something else. */
export function parseRanges(text: string): ByteRange[] | undefined {
  if (!/^\d{1,15}-\d{1,15}(,\d{1,15}-\d{1,15})*$/.test(text)) {
    return undefined;
  }
  const ranges = text.split(',').map((range) => {
    const [first = 0, last = 0] = range.split('-').map(Number);
    return { offset: first, length: last - first + 1 };
  });
  return ranges.every(({ length }) => length > 0) ? ranges : undefined;
}
