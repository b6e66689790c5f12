import { readFile } from 'node:fs/promises';
import { prefetchedRanges } from '../rafs/prefetch.ts';
import { coarsen, type ByteRange } from '../rafs/ranges.ts';

/** Bytes that ranges are rounded to: less would save nothing, since what warms them moves pieces of 4 MiB. */
const UNIT = 1024 * 1024;
/** Most ranges that a layer lists; of more, some are joined. */
const RANGES_MAX = 64;

/**
 * The parts of blobs that hold the content of the files to prefetch, in ranges of whole mebibytes (the last of a blob may reach
 * beyond its end).
 * @param bootstrap path of the merged tree
 * @returns ranges by digest of the blob
 */
export async function rangesToPrefetch(bootstrap: string): Promise<Map<string, ByteRange[]>> {
  const found = prefetchedRanges(await readFile(bootstrap));
  return new Map([...found].map(([hex, ranges]) => [`sha256:${hex}`, fewer(ranges)]));
}

function fewer(ranges: readonly ByteRange[]): ByteRange[] {
  for (let unit = UNIT; ; unit *= 2) {
    const coarse = coarsen(ranges, unit);
    if (coarse.length <= RANGES_MAX) {
      return coarse;
    }
  }
}
