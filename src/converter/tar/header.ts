import { BadLayerError, shown } from './errors.ts';

/** Bytes of a tar's blocks. */
export const BLOCK = 512;

/**
 * An entry of a layer. Names are bytes, one to a character (Latin-1), since no encoding is promised; they are as they came,
 * with dots, slashes and all.
 */
export interface TarEntry {
  name: string;
  /** Type flag of POSIX: `0` file, `1` hard link, `2` symbolic link, `3` and `4` devices, `5` folder, `6` pipe. */
  type: string;
  linkname: string;
  /** Permissions, set-ID and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of content that follow in the tar. */
  size: number;
  /** Seconds. */
  mtime: number;
  device: readonly [major: number, minor: number];
  xattrs: ReadonlyMap<string, Buffer>;
}

const ZERO = Buffer.alloc(BLOCK);
const CHECKSUM = { offset: 148, length: 8 };
const PREFIX = { offset: 345, length: 155, starLength: 131 };

/** Whether a block is one of the two that end a tar. */
export function isZero(block: Buffer): boolean {
  return block[0] === 0 && block.equals(ZERO);
}

/**
 * Reads a header (POSIX pax, "ustar Interchange Format"; GNU's numbers in base 256), without what headers before it say.
 * @throws BadLayerError where the block is none.
 */
export function decodeHeader(block: Buffer): TarEntry {
  if (octal(block.subarray(CHECKSUM.offset, CHECKSUM.offset + CHECKSUM.length)) !== checksumOf(block)) {
    throw new BadLayerError('its tar is broken: a header has a wrong checksum. Push the image again');
  }
  const magic = block.toString('latin1', 257, 263);
  const isStar = magic === 'ustar\0' && block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = magic === 'ustar\0' ? text(block, PREFIX.offset, isStar ? PREFIX.starLength : PREFIX.length) : '';
  const plain = text(block, 0, 100);
  const name = prefix === '' ? plain : `${prefix}/${plain}`;
  const flag = String.fromCodePoint(block.readUInt8(156));
  const hasDevice = magic.startsWith('ustar');
  return {
    name,
    type: flag,
    linkname: text(block, 157, 100),
    mode: number(block, 100, 8, name) & 0o7777,
    uid: number(block, 108, 8, name),
    gid: number(block, 116, 8, name),
    size: number(block, 124, 12, name),
    mtime: number(block, 136, 12, name),
    device: hasDevice ? [number(block, 329, 8, name), number(block, 337, 8, name)] : [0, 0],
    xattrs: new Map(),
  };
}

/** Writes a header in GNU's form; its name and target must fit. */
export function encodeHeader({ name, type, linkname, mode, uid, gid, size, mtime, device }: TarEntry): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, 'latin1');
  writeNumber(block, mode, 100, 8);
  writeNumber(block, uid, 108, 8);
  writeNumber(block, gid, 116, 8);
  writeNumber(block, size, 124, 12);
  writeNumber(block, mtime, 136, 12);
  block.write(type, 156, 'latin1');
  block.write(linkname, 157, 100, 'latin1');
  block.write('ustar  \0', 257, 'latin1');
  writeNumber(block, device[0], 329, 8);
  writeNumber(block, device[1], 337, 8);
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, CHECKSUM.offset, 'latin1');
  return block;
}

/** Bytes from the end of so much content to the end of its last block. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function checksumOf(block: Buffer): number {
  let sum = CHECKSUM.length * 0x20;
  for (let i = 0; i < BLOCK; i += 1) {
    sum += i >= CHECKSUM.offset && i < CHECKSUM.offset + CHECKSUM.length ? 0 : (block[i] ?? 0);
  }
  return sum;
}

function text(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset);
  return block.toString('latin1', offset, end === -1 || end > offset + length ? offset + length : end);
}

function number(block: Buffer, offset: number, length: number, name: string): number {
  const field = block.subarray(offset, offset + length);
  const value = field.readUInt8(0) >= 0x80 ? base256(field) : octal(field);
  if (!Number.isSafeInteger(value)) {
    throw new BadLayerError(`the header of ${shown(name)} has a field that is no number. Build the image again`);
  }
  return value;
}

/** NaN if it is none; nothing at all is 0. */
function octal(field: Buffer): number {
  const digits = field.toString('latin1').split('\0', 1)[0]?.trim() ?? '';
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

/** Two's complement; the first bit only says that it is in this form. */
function base256(field: Buffer): number {
  const first = field.readUInt8(0);
  const isNegative = first === 0xff;
  let value = isNegative ? -1 : first & 0x7f;
  for (const byte of field.subarray(1)) {
    value = value * 256 + byte;
  }
  return value;
}

function writeNumber(block: Buffer, value: number, offset: number, length: number): void {
  const digits = value.toString(8);
  if (digits.length < length) {
    block.write(`${digits.padStart(length - 1, '0')}\0`, offset, 'latin1');
    return;
  }
  block.writeBigUInt64BE(BigInt(value), offset + length - 8);
  block.writeUInt8(block.readUInt8(offset) | 0x80, offset);
}
