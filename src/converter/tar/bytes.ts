import { BadLayerError } from './errors.ts';

/** Bytes that come in chunks, taken in pieces. */
export interface ByteReader {
  /** So many bytes, or undefined where the stream has ended before the first of them. */
  take(length: number): Promise<Buffer | undefined>;
  /** So many bytes. */
  need(length: number): Promise<Buffer>;
  /** So many bytes as they come. */
  stream(length: number): AsyncGenerator<Buffer>;
  /** Reads so many bytes, or to the end where that comes before, and drops them. */
  skip(length: number): Promise<void>;
}

/** @throws BadLayerError from its calls where the stream ends in the middle of what was asked for. */
export function byteReader(source: AsyncIterable<Buffer>): ByteReader {
  const chunks = source[Symbol.asyncIterator]();
  let current: Buffer = Buffer.alloc(0);

  async function next(): Promise<boolean> {
    while (current.length === 0) {
      const chunk = await chunks.next();
      if (chunk.done === true) {
        return false;
      }
      current = chunk.value;
    }
    return true;
  }

  function shift(length: number): Buffer {
    const part = current.subarray(0, length);
    current = current.subarray(length);
    return part;
  }

  async function* stream(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0;) {
      if (!(await next())) {
        throw new BadLayerError('its tar ends in the middle of a file. Push the image again');
      }
      const part = shift(left);
      left -= part.length;
      yield part;
    }
  }

  async function need(length: number): Promise<Buffer> {
    if (current.length >= length) {
      return shift(length);
    }
    const parts: Buffer[] = [];
    for await (const part of stream(length)) {
      parts.push(part);
    }
    return Buffer.concat(parts, length);
  }

  return {
    stream,
    take: async (length) => (current.length >= length || (await next()) ? need(length) : undefined),
    need,
    async skip(length) {
      for (let left = length; left > 0 && (await next());) {
        left -= shift(left).length;
      }
    },
  };
}
