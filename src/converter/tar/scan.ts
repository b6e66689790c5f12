import { createHash } from 'node:crypto';
import { COMPARED_FROM, type LayerEntry } from '../../inspection/entry.ts';
import type { LayerMeter } from '../bounds.ts';
import { byteReader, type ByteReader } from './bytes.ts';
import { emptyContents, place } from './contents.ts';
import { nextEntry, type ReadEntry } from './entry.ts';
import { padding, type TarEntry } from './header.ts';
import { contentOf, known, metered } from './rewrite.ts';

/**
 * Reads a plain tar to its end for what its layer has, as a container runtime would extract it.
 * @throws BadLayerError for what no runtime extracts, or the meter stops.
 */
export async function scanTar(source: AsyncIterable<Buffer>, meter: LayerMeter): Promise<LayerEntry[]> {
  const bytes = byteReader(metered(source, meter));
  const contents = emptyContents();
  const entries: LayerEntry[] = [];
  const origins = new Map<string, number>();
  for (let entry = await nextEntry(bytes); entry !== undefined; entry = await nextEntry(bytes)) {
    meter.entry(entry.sparse?.size ?? entry.size, entry.size);
    const placed = place(known(entry), contents);
    const content = await digestOf(entry, placed, bytes);
    if (placed !== undefined) {
      const origin = placed.type === '1' ? utf8(placed.linkname) : undefined;
      const links = origin === undefined ? undefined : numberOf(origin, origins);
      entries.push({
        ...entryOf(placed),
        ...(content === undefined ? {} : { content }),
        ...(links === undefined ? {} : { links }),
      });
    }
    await bytes.skip(padding(entry.size));
  }
  await bytes.skip(Infinity);
  return origins.size === 0 ? entries : withOrigins(entries, origins);
}

function entryOf({ name, type, mode, size }: TarEntry): LayerEntry {
  const kind = type === '0' || type === '1' ? 'file' : type === '5' ? 'folder' : 'other';
  return { path: utf8(name), kind, mode, size: kind === 'file' ? size : 0 };
}

/** Digest of the content of a file that is big enough to be compared; of another the content is skipped. */
async function digestOf(
  entry: ReadEntry,
  placed: TarEntry | undefined,
  bytes: ByteReader,
): Promise<string | undefined> {
  if (placed === undefined || placed.type !== '0' || placed.size < COMPARED_FROM) {
    for await (const _ of bytes.stream(entry.size)) {
      // Only where it ends counts.
    }
    return undefined;
  }
  const hash = createHash('sha256');
  for await (const part of contentOf(entry, bytes)) {
    hash.update(part);
  }
  return hash.digest().toString('latin1');
}

function numberOf(origin: string, origins: Map<string, number>): number {
  const number = origins.get(origin) ?? origins.size;
  origins.set(origin, number);
  return number;
}

/** The names of a file that has several, each with what the first of the tar says of it. */
function withOrigins(entries: readonly LayerEntry[], origins: ReadonlyMap<string, number>): LayerEntry[] {
  const files = new Map<number, LayerEntry>();
  for (const entry of entries) {
    const number = entry.kind === 'file' && entry.links === undefined ? origins.get(entry.path) : undefined;
    if (number !== undefined) {
      files.set(number, { ...entry, links: number });
    }
  }
  return entries.map((entry) => {
    const number = entry.links ?? (entry.kind === 'file' ? origins.get(entry.path) : undefined);
    const file = number === undefined ? undefined : files.get(number);
    return file === undefined ? entry : { ...file, path: entry.path };
  });
}

/** Names of a tar are bytes; those of a tree are taken for UTF-8, too. */
function utf8(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}
