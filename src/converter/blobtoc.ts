import { createHash } from 'node:crypto';
import { Readable, Transform, type TransformCallback } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { buffer } from 'node:stream/consumers';

const TAR_BLOCK = 512;
const TOC_NAME = 'rafs.blob.toc';
const TOC_ENTRY = 128;
const DATA_NAME = 'image.blob';
/** nydus-snapshotter's bound for a table of contents. */
const TOC_MAX = 1 << 20;

const COMPRESSION_MASK = 0xf;
const COMPRESSION_NONE = 1;
const COMPRESSION_ZSTD = 2;

/** Bytes at any place of a blob. */
export interface BlobReader {
  /** Bytes of the whole. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; the stream is destroyed with an error if there are fewer. */
  read(offset: number, length: number): Promise<Readable>;
}

/** A part of a RAFS blob. */
export interface BlobEntry {
  /** `blob.meta`, `blob.meta.header`, `blob.digest`, `image.boot`; without a table of contents also `image.blob`. */
  name: string;
  compression: 'none' | 'zstd';
  offset: number;
  /** Bytes in the blob. */
  compressedSize: number;
  /** Bytes when decompressed. */
  size: number;
  /** SHA-256 of the decompressed bytes in hex; unknown without a table of contents. */
  sha256?: string;
}

/** What a RAFS blob consists of. */
export interface BlobContents {
  entries: BlobEntry[];
  /** SHA-256 of the table of contents in hex; undefined without one. */
  toc?: string;
}

/**
 * Lists the parts of a RAFS blob. A blob is laid out from its end, so that it could be written as a stream: each part is
 * followed by its tar header, and the last part may be a table of contents (nydus storage/src/meta/toc.rs, 128 bytes an
 * entry). Without one (RAFS v5) the headers are walked backwards.
 */
export async function readContents(blob: BlobReader): Promise<BlobContents> {
  const last = await readHeader(blob, blob.size);
  if (last.name !== TOC_NAME) {
    return { entries: await walk(blob, last) };
  }
  if (last.size > TOC_MAX || last.size % TOC_ENTRY !== 0) {
    throw invalid(`its table of contents has ${last.size} bytes`);
  }
  const table = await buffer(await blob.read(last.offset, last.size));
  const rows = Array.from({ length: table.length / TOC_ENTRY }, (_, i) => table.subarray(i * TOC_ENTRY));
  // The data of an index (Zran) is elsewhere, and so is the place that its table gives for it.
  const entries = rows.filter((row) => entryName(row) !== DATA_NAME).map(parseEntry);
  for (const entry of entries) {
    if (entry.offset + entry.compressedSize > last.offset) {
      throw invalid(`${entry.name} lies outside of it`);
    }
  }
  return { entries, toc: createHash('sha256').update(table).digest('hex') };
}

/** Decompressed bytes of a part; the stream is destroyed with an error if they are not what the table promises. */
export async function openEntry(blob: BlobReader, entry: BlobEntry): Promise<[Readable, ...Transform[]]> {
  const raw = await blob.read(entry.offset, entry.compressedSize);
  return entry.compression === 'zstd' ? [raw, createZstdDecompress(), check(entry)] : [raw, check(entry)];
}

interface Part {
  name: string;
  offset: number;
  size: number;
}

async function walk(blob: BlobReader, last: Part): Promise<BlobEntry[]> {
  const parts = [last];
  for (let part = last; part.offset > 0; parts.push(part)) {
    part = await readHeader(blob, part.offset);
  }
  return parts.map(({ name, offset, size }) => ({ name, compression: 'none', offset, compressedSize: size, size }));
}

/** The part whose tar header ends at a position. */
async function readHeader(blob: BlobReader, end: number): Promise<Part> {
  if (end < TAR_BLOCK) {
    throw invalid(`there is no room for a header at ${end}`);
  }
  const header = await buffer(await blob.read(end - TAR_BLOCK, TAR_BLOCK));
  if (header.subarray(257, 262).toString('latin1') !== 'ustar') {
    throw invalid(`there is no header at ${end - TAR_BLOCK}`);
  }
  const size = tarNumber(header.subarray(124, 136));
  const offset = end - TAR_BLOCK - size;
  if (offset < 0) {
    throw invalid(`a part of ${size} bytes ends at ${end - TAR_BLOCK}`);
  }
  return { name: cString(header.subarray(0, 100)), offset, size };
}

/** A number of a tar header: octal digits, or base-256 with the first bit set (GNU). */
function tarNumber(field: Buffer): number {
  const binary = ((field[0] ?? 0) & 0x80) !== 0;
  const value = binary ? Number(field.readBigUInt64BE(4)) : Number.parseInt(cString(field).trim(), 8);
  if (!Number.isSafeInteger(value)) {
    throw invalid('a header has no size');
  }
  return value;
}

function entryName(bytes: Buffer): string {
  return cString(bytes.subarray(8, 24));
}

function parseEntry(bytes: Buffer): BlobEntry {
  const name = entryName(bytes);
  const number = (at: number): number => {
    const value = Number(bytes.readBigUInt64LE(at));
    if (!Number.isSafeInteger(value)) {
      throw invalid(`its table of contents gives ${name} an impossible place`);
    }
    return value;
  };
  return {
    name,
    compression: compressionOf(bytes.readUInt32LE(0) & COMPRESSION_MASK, name),
    sha256: bytes.subarray(24, 56).toString('hex'),
    offset: number(56),
    compressedSize: number(64),
    size: number(72),
  };
}

function compressionOf(flags: number, name: string): 'none' | 'zstd' {
  if (flags !== COMPRESSION_NONE && flags !== COMPRESSION_ZSTD) {
    throw invalid(`${name} has an unknown compression (flags ${flags})`);
  }
  return flags === COMPRESSION_NONE ? 'none' : 'zstd';
}

function check({ name, size, sha256 }: BlobEntry): Transform {
  const hash = createHash('sha256');
  let length = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
      hash.update(chunk);
      length += chunk.length;
      done(length > size ? invalid(`${name} has more than ${size} bytes`) : null, chunk);
    },
    flush(done: TransformCallback): void {
      const right = length === size && (sha256 === undefined || sha256 === hash.digest('hex'));
      done(right ? null : invalid(`${name} is not what its table of contents says`));
    },
  });
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
}

function invalid(why: string): Error {
  return new Error(`it is no RAFS blob: ${why}`);
}
