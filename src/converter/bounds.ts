import { BadLayerError } from './tar/errors.ts';

/** What one layer may cost at most, however it was made. */
export interface LayerBounds {
  /** Files, folders and links. */
  entries: number;
  /** Names that nydus-image compares with others to find where each entry belongs. */
  comparisons: number;
  /** Bytes that any layer may decompress to. */
  freeBytes: number;
  /** Beyond those, bytes for each byte that the registry stores. */
  ratio: number;
}

/**
 * - `entries`: nydus-image keeps every file of a layer in memory (2.8 KiB each), the merge does so for those of an image
 *   (2.4 KiB), and this process keeps their names. A million takes 3 GiB; big images have a few hundred thousand.
 * - `comparisons`: nydus-image 2.2.0 looks for each entry's place name by name in every folder on the way there, and needs
 *   0.24 µs for a name: ten thousand million take 40 minutes. That is a folder of 140,000 files, or a million files in
 *   folders that are a hundred times narrower.
 * - `freeBytes`: zeros go through at about 200 MB a second, so a bomb costs minutes. A sparse disk image of 64 GiB passes
 *   whatever it is compressed to.
 * - `ratio`: files of programs and models compress to a half or a tenth, logs and tables to a fiftieth. Deflate cannot do
 *   more than 1032; Zstandard can do far more.
 */
export const LAYER_BOUNDS: Readonly<LayerBounds> = {
  entries: 1_000_000,
  comparisons: 10_000_000_000,
  freeBytes: 64 * 2 ** 30,
  ratio: 100,
};

/** Counts what a layer costs while it is read. Its calls throw BadLayerError beyond the bounds. */
export interface LayerMeter {
  /** So many more bytes came out of the decompression. */
  bytes(count: number): void;
  /**
   * Another entry comes.
   * @param content bytes of it, with the holes of a sparse file.
   * @param stored bytes of it that will come out of the decompression.
   */
  entry(content: number, stored: number): void;
  /** The entry's place is looked for among so many names. */
  comparisons(count: number): void;
}

/** @param stored bytes of the layer in the registry. */
export function layerMeter(stored: number, bounds: LayerBounds): LayerMeter {
  const { entries, comparisons, freeBytes, ratio } = bounds;
  const limit = Math.max(freeBytes, stored * ratio);
  let size = 0;
  let compared = 0;
  let files = 0;
  function check(bytes: number): void {
    if (bytes > limit) {
      const than = `${limit} bytes, the most for ${stored} bytes stored`;
      throw new BadLayerError(`it decompresses to more than ${than}. Build the image without such files`);
    }
  }
  return {
    bytes(count) {
      size += count;
      check(size);
    },
    entry(content, storedContent) {
      files += 1;
      if (files > entries) {
        throw new BadLayerError(`it has more than ${entries} files. Pack small files of the image into archives`);
      }
      size += Math.max(0, content - storedContent);
      check(size + storedContent);
    },
    comparisons(count) {
      compared += count;
      if (compared > comparisons) {
        const slow = 'nydus-image, which compares each name with all others in its folder, would need too long';
        throw new BadLayerError(`it has folders with so many files that ${slow}. Spread them over more folders`);
      }
    },
  };
}
