/** Content of a field: text is written as UTF-8. */
export type Bytes = string | Buffer;

/** An entry of a tar, field by field: what no library would write can be written, too. */
export interface RawEntry {
  name: Bytes;
  /** Type flag; `0`, a file, by default. */
  type?: string;
  linkname?: Bytes;
  mode?: number;
  uid?: number | bigint;
  gid?: number | bigint;
  /** Seconds. */
  mtime?: number | bigint;
  /** The size that the header gives; the content's by default. */
  size?: number | bigint;
  /** Nothing in the fields by default, as GNU tar leaves them. */
  device?: readonly [major: number, minor: number];
  content?: Bytes;
  /** Layout of the header; ustar by default. */
  format?: 'v7' | 'ustar' | 'gnu';
  /** Part of the name in ustar's field for it. */
  prefix?: Bytes;
  /** What else is in the header, by offset. */
  more?: readonly (readonly [offset: number, bytes: Bytes])[];
}

const BLOCK = 512;
const MAGIC = { v7: '', ustar: 'ustar\x0000', gnu: 'ustar  \0' };

/** Header and content of an entry, in whole blocks. */
export function rawEntry(entry: RawEntry): Buffer {
  const { name, type = '0', linkname = '', mode = 0o644, uid = 0, gid = 0, mtime = 1_700_000_000 } = entry;
  const content = Buffer.from(entry.content ?? '');
  const header = Buffer.alloc(BLOCK);
  const text = (offset: number, bytes: Bytes): void => void Buffer.from(bytes).copy(header, offset);
  text(0, Buffer.from(name).subarray(0, 100));
  text(100, numeric(mode, 8));
  text(108, numeric(uid, 8));
  text(116, numeric(gid, 8));
  text(124, numeric(entry.size ?? content.length, 12));
  text(136, numeric(mtime, 12));
  text(156, type);
  text(157, Buffer.from(linkname).subarray(0, 100));
  text(257, MAGIC[entry.format ?? 'ustar']);
  for (const [i, number] of (entry.device ?? []).entries()) {
    text(329 + 8 * i, numeric(number, 8));
  }
  text(345, entry.prefix ?? '');
  for (const [offset, bytes] of entry.more ?? []) {
    text(offset, bytes);
  }
  text(148, ' '.repeat(8));
  text(
    148,
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
  );
  return Buffer.concat([header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

/** A PAX header with records for the entry that follows, or with type `g` for all that follow. */
export function paxHeader(records: readonly (readonly [key: string, value: Bytes])[], type: 'x' | 'g' = 'x'): Buffer {
  const content = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  return rawEntry({ name: 'PaxHeaders/entry', type, content });
}

/** A GNU header with a name (`L`) or link target (`K`) for the entry that follows. */
export function gnuLong(type: 'L' | 'K', value: Bytes): Buffer {
  const content = Buffer.concat([Buffer.from(value), Buffer.alloc(1)]);
  return rawEntry({ name: '././@LongLink', type, content, format: 'gnu' });
}

/** A tar of parts, with its end. */
export function rawTar(...parts: readonly (Buffer | RawEntry)[]): Buffer {
  return Buffer.concat([
    ...parts.map((part) => (Buffer.isBuffer(part) ? part : rawEntry(part))),
    Buffer.alloc(2 * BLOCK),
  ]);
}

/** Octal as POSIX has it, and GNU's base 256 for what does not fit. */
function numeric(value: number | bigint, width: number): Buffer {
  const octal = BigInt(value).toString(8);
  if (value >= 0 && octal.length < width) {
    return Buffer.from(`${octal.padStart(width - 1, '0')}\0`);
  }
  const bytes = Buffer.alloc(width, value < 0 ? 0xff : 0);
  bytes.writeBigInt64BE(BigInt(value), width - 8);
  bytes[0] = value < 0 ? 0xff : 0x80;
  return bytes;
}

function paxRecord(key: string, value: Bytes): Buffer {
  const record = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  // The length counts its own digits.
  let length = record.length;
  while (length !== record.length + String(length).length) {
    length = record.length + String(length).length;
  }
  return Buffer.concat([Buffer.from(String(length)), record]);
}
