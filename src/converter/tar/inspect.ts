import type { LayerMeter } from '../bounds.ts';
import { byteReader } from './bytes.ts';
import { namesOnTheWay, place, type LayerContents } from './contents.ts';
import { nextEntry, type ReadEntry } from './entry.ts';
import { BadLayerError, shown } from './errors.ts';
import { BLOCK, isZero, padding, type TarEntry } from './header.ts';
import { known, metered } from './rewrite.ts';

/**
 * Reads a plain tar to its end that nydus-image reads as it is, since an index is over the bytes that are stored.
 * @param contents filled with what the layer has where.
 * @throws BadLayerError where nydus-image would read something else than what a container runtime extracts (see
 *   {@link rewriteTar}), or the meter stops it. The time 0 alone is let through, in place of which nydusd shows that of the mount.
 */
export async function inspectTar(
  source: AsyncIterable<Buffer>,
  contents: LayerContents,
  meter: LayerMeter,
): Promise<void> {
  const bytes = byteReader(metered(source, meter));
  for (;;) {
    const entry = await nextEntry(bytes);
    if (entry === undefined) {
      break;
    }
    meter.entry(entry.size, entry.size);
    const placed = place(known(entry), contents);
    meter.comparisons(placed === undefined ? 0 : namesOnTheWay(placed.name, contents));
    if (!readsTheSame(entry, placed)) {
      throw new BadLayerError(`nydus-image would not read ${shown(entry.name)} as runtimes do. ${INSTEAD}`);
    }
    for await (const _ of bytes.stream(entry.size)) {
      // Only where it ends counts.
    }
    await bytes.take(padding(entry.size));
  }
  for (let block = await bytes.take(BLOCK); block !== undefined; block = await bytes.take(BLOCK)) {
    if (!isZero(block)) {
      throw new BadLayerError(`something stands behind the end of its tar, which nydus-image would read. ${INSTEAD}`);
    }
  }
}

const INSTEAD = 'Convert the image to RafsV6, which can mend that';

function readsTheSame(entry: ReadEntry, placed: TarEntry | undefined): boolean {
  const name = plainPath(entry.name);
  return entry.inHeader && (placed === undefined ? name === '' : placed.name === name && placed.type === entry.type);
}

/** A path without what nydus-image leaves out, too: dots, and slashes that separate nothing. */
function plainPath(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}
