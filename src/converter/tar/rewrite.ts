import type { LayerMeter } from '../bounds.ts';
import { batch } from './batch.ts';
import { byteReader, type ByteReader } from './bytes.ts';
import { namesOnTheWay, place, type LayerContents } from './contents.ts';
import { nextEntry, type ReadEntry } from './entry.ts';
import { BadLayerError, shown } from './errors.ts';
import { BLOCK, encodeHeader, padding, type TarEntry } from './header.ts';
import { encodePax } from './pax.ts';
import { expand } from './sparse.ts';

const NAME_FIELD = 100;
const MAX_ID = 2 ** 32 - 1;

const ZEROS = Buffer.alloc(BLOCK);

/** Bytes of a file that are waited for as a whole: most files are small, and a stream costs more. */
const SMALL = 64 * 1024;

/** Times that Go's containers keep: others become the first. nydusd shows the time of the mount in place of 0. */
const FIRST_TIME = 1;
const LAST_TIME = 9_223_372_036;

/** Attributes that nydus-image keeps. Runtimes ignore others, too: Linux does not know them. */
const XATTRS = /^(?:user|trusted|security)\../;
const ACCESS_LIST = /^system\.posix_acl_/;

/**
 * Reads a plain tar to its end and writes it anew, as nydus-image 2.2.0 takes it for what a container runtime (containerd,
 * `pkg/archive`, with Go's archive/tar) would extract. Read as it comes, nydus-image knows no owners and times of PAX
 * headers and no sparse files, reads on behind the end, fails on global headers, and mixes up files after a repeated name.
 * @param contents filled with what the layer has where.
 * @throws BadLayerError where the two cannot be made to agree, or the meter stops it.
 */
export async function* rewriteTar(
  source: AsyncIterable<Buffer>,
  contents: LayerContents,
  meter: LayerMeter,
): AsyncGenerator<Buffer> {
  const bytes = byteReader(metered(source, meter));
  const out = batch();
  for (;;) {
    const entry = await nextEntry(bytes);
    if (entry === undefined) {
      break;
    }
    meter.entry(entry.sparse?.size ?? entry.size, entry.size);
    const placed = place(known(entry), contents);
    meter.comparisons(placed === undefined ? 0 : namesOnTheWay(placed.name, contents));
    out.push(...(placed === undefined ? [] : headersOf(placed)));
    for await (const part of isSmall(entry) ? [await bytes.need(entry.size)] : contentOf(entry, bytes)) {
      if (placed !== undefined) {
        out.push(part);
      }
      if (out.isFull()) {
        yield* out.take();
      }
    }
    out.push(...(placed === undefined ? [] : [ZEROS.subarray(0, padding(placed.size))]));
    await bytes.skip(padding(entry.size));
  }
  out.push(Buffer.alloc(2 * BLOCK));
  yield* out.take();
  await bytes.skip(Infinity);
}

/** Counts what passes. */
export async function* metered(source: AsyncIterable<Buffer>, meter: LayerMeter): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    meter.bytes(chunk.length);
    yield chunk;
  }
}

/** Whether the content of an entry comes as it is and is small. */
function isSmall({ size, sparse }: ReadEntry): boolean {
  return sparse === undefined && size <= SMALL;
}

/** The content of an entry as it was before the tar. */
export function contentOf({ size, sparse }: ReadEntry, bytes: ByteReader): AsyncGenerator<Buffer> {
  return sparse === undefined ? bytes.stream(size) : expand(bytes, size, sparse);
}

/**
 * The header of an entry and those that extend it, in whole blocks: PAX for attributes alone, since nydus-image ends values
 * at a line's end.
 */
export function headersOf(entry: TarEntry): Buffer[] {
  const { name, linkname, xattrs } = entry;
  const headers: Buffer[] = [];
  if (xattrs.size > 0) {
    const records = [...xattrs].map(([key, value]) => [`SCHILY.xattr.${key}`, value] as const);
    headers.push(...extension('x', encodePax(records)));
  }
  if (name.length > NAME_FIELD) {
    headers.push(...extension('L', Buffer.from(`${name}\0`, 'latin1')));
  }
  if (linkname.length > NAME_FIELD) {
    headers.push(...extension('K', Buffer.from(`${linkname}\0`, 'latin1')));
  }
  headers.push(encodeHeader({ ...entry, name: name.slice(0, NAME_FIELD), linkname: linkname.slice(0, NAME_FIELD) }));
  return headers;
}

function extension(type: string, content: Buffer): Buffer[] {
  const none = { mode: 0, uid: 0, gid: 0, mtime: 0, linkname: '', device: [0, 0], xattrs: new Map() } as const;
  const header = encodeHeader({ ...none, name: '././@LongLink', type, size: content.length });
  return [header, content, ZEROS.subarray(0, padding(content.length))];
}

/** The entry with what nydus-image and RAFS can hold of it. */
export function known(entry: ReadEntry): TarEntry {
  const { name, type, uid, gid, mtime, sparse } = entry;
  if (!/^[0-6]$/.test(type)) {
    throw new BadLayerError(`${shown(name)} is of type ${JSON.stringify(type)}, which runtimes do not extract, either`);
  }
  if (![uid, gid].every((id) => id >= 0 && id <= MAX_ID)) {
    throw new BadLayerError(`${shown(name)} belongs to ${uid}:${gid}, and Linux knows no such owner`);
  }
  return {
    ...entry,
    size: sparse?.size ?? entry.size,
    mtime: mtime < FIRST_TIME || mtime > LAST_TIME ? FIRST_TIME : mtime,
    xattrs: knownAttributes(entry),
  };
}

function knownAttributes({ name, type, xattrs }: TarEntry): Map<string, Buffer> {
  const kept = new Map<string, Buffer>();
  for (const [key, value] of xattrs) {
    if (ACCESS_LIST.test(key)) {
      throw new BadLayerError(`${shown(name)} has an access list, which Nydus cannot keep. Build the image without it`);
    }
    // Linux has attributes of users on files and folders only.
    if (XATTRS.test(key) && (/[05]/.test(type) || !key.startsWith('user.'))) {
      if (value.includes(0x0a) || key.includes('\n')) {
        const why = 'has a line feed in its value, which nydus-image cannot read';
        throw new BadLayerError(`the attribute ${shown(key)} of ${shown(name)} ${why}. Build the image without it`);
      }
      kept.set(key, value);
    }
  }
  return kept;
}
