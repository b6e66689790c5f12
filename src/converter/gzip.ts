import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createInflateRaw } from 'node:zlib';

const FIXED_HEADER = 10;
const TRAILER = 8;
/** Flags of RFC 1952 §2.3.1. */
const [FHCRC, FEXTRA, FNAME, FCOMMENT] = [2, 4, 8, 16];

/**
 * Passes a gzip stream (RFC 1952) on, and throws where anything follows its first member: eStargz writes many, and nydusd cannot
 * read over the end of one through an index. Nothing but inflating tells where a member ends.
 */
export async function* oneMember(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw();
  const inflated = finished(inflate.resume());
  // Awaited at the end, which does not come where the chunks fail.
  inflated.catch(() => undefined);
  const write = promisify((chunk: Buffer, done: (error?: Error | null) => void) => inflate.write(chunk, done));
  let head: Buffer = Buffer.alloc(0);
  let header: number | undefined;
  let length = 0;
  try {
    for await (const chunk of chunks) {
      length += chunk.length;
      head = header === undefined ? Buffer.concat([head, chunk]) : chunk;
      const from = header === undefined ? headerLength(head) : 0;
      header ??= from;
      if (from !== undefined && !inflate.readableEnded) {
        // A broken stream fails the second alone.
        await Promise.race([write(head.subarray(from)), inflated]);
      }
      yield chunk;
    }
    inflate.end();
    await inflated;
  } finally {
    inflate.destroy();
  }
  if (length > (header ?? 0) + inflate.bytesWritten + TRAILER) {
    throw new Error('it has more than one gzip member, which Zran cannot index: convert it to RafsV6');
  }
}

/** Bytes of a member's header, or undefined while there are too few to tell. */
function headerLength(bytes: Buffer): number | undefined {
  const flags = bytes[3] ?? 0;
  let at = FIXED_HEADER;
  if ((flags & FEXTRA) !== 0) {
    at += bytes.length < at + 2 ? Infinity : 2 + bytes.readUInt16LE(at);
  }
  for (const flag of [FNAME, FCOMMENT]) {
    if ((flags & flag) !== 0) {
      const end = bytes.indexOf(0, at);
      at = end === -1 ? Infinity : end + 1;
    }
  }
  at += (flags & FHCRC) === 0 ? 0 : 2;
  return bytes.length < at ? undefined : at;
}
