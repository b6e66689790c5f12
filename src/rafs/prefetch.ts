import { prefetched5 } from './prefetch5.ts';
import { prefetched6 } from './prefetch6.ts';
import type { BlobRanges } from './ranges.ts';
import { readRafs } from './tree.ts';

/**
 * Where in the blobs the content of the files is that a tree lists for prefetching, those below listed directories included.
 * Not a byte of the tree is trusted.
 * @param bootstrap a RAFS bootstrap of version 6 or 5
 * @throws TreeError saying what is wrong with it
 */
export function prefetchedRanges(bootstrap: Buffer): BlobRanges {
  return readRafs(bootstrap, { 6: prefetched6, 5: prefetched5 });
}
