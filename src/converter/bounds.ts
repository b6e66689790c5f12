import { BadLayerError } from './tar/errors.ts';

/** What one layer may cost at most, however it was made. */
export interface LayerBounds {
  /** Files, folders and links. */
  entries: number;
  /** Bytes that any layer may decompress to. */
  freeBytes: number;
  /** Beyond those, bytes for each byte that the registry stores. */
  ratio: number;
}

/**
 * - `entries`: nydus-image keeps every file of a layer in memory, about 1.3 KiB each, and this process another 0.2 KiB; and
 *   once more all files of an image for the merge. Two million stay within a few GiB. The largest known images have
 *   a few hundred thousand files.
 * - `freeBytes`: zeros go through at some hundred MB a second, so a bomb costs minutes. A sparse disk image of 64 GiB passes
 *   whatever it is compressed to.
 * - `ratio`: files of programs and models compress to a half or a tenth, logs and tables to a fiftieth. Deflate cannot do
 *   more than 1032; Zstandard can do far more.
 */
export const LAYER_BOUNDS: Readonly<LayerBounds> = { entries: 2_000_000, freeBytes: 64 * 2 ** 30, ratio: 100 };

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
}

/** @param stored bytes of the layer in the registry. */
export function layerMeter(stored: number, { entries, freeBytes, ratio }: LayerBounds): LayerMeter {
  const limit = Math.max(freeBytes, stored * ratio);
  let size = 0;
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
  };
}
