import { PREFETCH_RANGES_ANNOTATION } from '../api/v1alpha1/labels.ts';
import { BLOB_LAYER_TYPE } from '../converter/nydus.ts';
import type { Wanted } from '../dragonfly/pieces.ts';
import { parseRanges, type ByteRange } from '../rafs/ranges.ts';
import type { Descriptor, Manifest } from '../registry/schema.ts';

/** A blob of a manifest, or the parts of it that are wanted. */
export interface WantedBlob extends Wanted {
  digest: string;
}

/**
 * What is wanted of a manifest: its config and layers; or, of an artifact that lists files to prefetch, its config, its tree and
 * those parts of its blobs that hold them.
 */
export function wantedBlobs({ config, layers }: Manifest, listedOnly: boolean): WantedBlob[] {
  const all = [config, ...layers];
  const ranges = new Map(all.map((blob) => [blob, rangesOf(blob)]));
  const listed = listedOnly && [...ranges.values()].some((one) => one !== undefined);
  return all.flatMap((blob) => {
    const { mediaType, digest, size } = blob;
    if (!listed || mediaType !== BLOB_LAYER_TYPE) {
      return [{ digest, size }];
    }
    const own = ranges.get(blob);
    return own === undefined ? [] : [{ digest, size, ranges: own }];
  });
}

function rangesOf({ annotations, size }: Descriptor): ByteRange[] | undefined {
  const ranges = parseRanges(annotations?.[PREFETCH_RANGES_ANNOTATION] ?? '');
  // Anybody who may push can write annotations.
  return ranges?.every(({ offset, length }) => offset + length <= size) === true ? ranges : undefined;
}
