import type { ByteReader } from './bytes.ts';
import { BadLayerError } from './errors.ts';
import { BLOCK } from './header.ts';

/** Stretches of a sparse file that hold data. */
const EXTENTS_LIMIT = 1 << 20;
const ZEROS = Buffer.alloc(64 * 1024);

type Extent = readonly [offset: number, length: number];

/** A sparse file as GNU tar writes it into PAX headers (GNU tar manual, "Storing Sparse Files"). */
export interface Sparse {
  name: string | undefined;
  /** Bytes of the whole file. */
  size: number;
  /** Where the data in the tar belongs; undefined where that stands in front of the data (version 1.0). */
  extents: readonly Extent[] | undefined;
}

/** What the records of a PAX header say of a sparse file, or undefined if it is none. Versions that Go knows count. */
export function sparseOf(
  records: readonly (readonly [key: string, value: Buffer])[],
  value: (key: string) => string | undefined,
): Sparse | undefined {
  const version = `${value('GNU.sparse.major') ?? ''}.${value('GNU.sparse.minor') ?? ''}`;
  const ends = records.flatMap(([key, end]) =>
    key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes' ? [end.toString('latin1')] : [],
  );
  const map = ends.length > 0 ? ends : (value('GNU.sparse.map')?.split(',') ?? []);
  const isGuessed = version === '.' && (map.length > 0 || value('GNU.sparse.numblocks') !== undefined);
  if (version !== '1.0' && version !== '0.0' && version !== '0.1' && !isGuessed) {
    return undefined;
  }
  const size = integer(value('GNU.sparse.realsize') ?? value('GNU.sparse.size') ?? '');
  const extents = version === '1.0' ? undefined : pairs(map.map(integer), size);
  return { name: value('GNU.sparse.name'), size, extents };
}

/**
 * The whole content of a sparse file, holes as zeros.
 * @param stored bytes of the tar, without padding: all of them are read.
 */
export async function* expand(bytes: ByteReader, stored: number, { size, extents }: Sparse): AsyncGenerator<Buffer> {
  const map = extents === undefined ? await readMap(bytes, size) : { extents, length: 0 };
  const data = map.extents.reduce((sum, [, length]) => sum + length, 0);
  if (map.length + data > stored) {
    throw broken();
  }
  let at = 0;
  for (const [offset, length] of map.extents) {
    yield* zeros(offset - at);
    yield* bytes.stream(length);
    at = offset + length;
  }
  yield* zeros(size - at);
  for await (const _ of bytes.stream(stored - map.length - data)) {
    // Nothing of it belongs to the file.
  }
}

function* zeros(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= ZEROS.length) {
    yield ZEROS.subarray(0, left);
  }
}

/** Version 1.0: lines with the number of extents, and offset and length of each, padded to a block. */
async function readMap(bytes: ByteReader, size: number): Promise<{ extents: Extent[]; length: number }> {
  let length = 0;
  let rest = '';
  const numbers: number[] = [];
  while (numbers[0] === undefined || numbers.length < 1 + 2 * numbers[0]) {
    const block = await bytes.take(BLOCK);
    length += BLOCK;
    if (block === undefined || (numbers[0] ?? 0) > EXTENTS_LIMIT) {
      throw broken();
    }
    const lines = `${rest}${block.toString('latin1')}`.split('\n');
    rest = lines.pop() ?? '';
    numbers.push(...lines.map(integer));
  }
  return { extents: pairs(numbers.slice(1, 1 + 2 * numbers[0]), size), length };
}

function pairs(numbers: readonly number[], size: number): Extent[] {
  const extents: Extent[] = [];
  let at = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const [offset = Number.NaN, length = Number.NaN] = numbers.slice(i, i + 2);
    if (!(offset >= at && offset + length <= size)) {
      throw broken();
    }
    extents.push([offset, length]);
    at = offset + length;
  }
  return extents;
}

function integer(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw broken();
  }
  return value;
}

function broken(): BadLayerError {
  return new BadLayerError('its tar is broken: the map of a sparse file is none. Build the image again');
}
