const FIXED_HEADER = 10;
const TRAILER = 8;
/** Flags of RFC 1952 §2.3.1. */
const [FHCRC, FEXTRA, FNAME, FCOMMENT] = [2, 4, 8, 16];

/** The first member of a gzip stream (RFC 1952), and whatever follows it. */
export interface GzipMember {
  /** The bytes of the header, to be read first. */
  header(): AsyncGenerator<Buffer>;
  /** The bytes behind the header: deflated data, the trailer, and what follows. */
  rest(): AsyncGenerator<Buffer>;
  /** How many of those have been read. */
  restLength(): number;
  /** Bytes between the deflated data and what follows the member. */
  trailer: number;
}

/** Divides a gzip stream behind the header of its first member. */
export function memberOf(source: AsyncIterable<Buffer>): GzipMember {
  const chunks = source[Symbol.asyncIterator]();
  let first: Buffer = Buffer.alloc(0);
  let length = 0;
  return {
    trailer: TRAILER,
    restLength: () => length,
    async *header() {
      let head: Buffer = Buffer.alloc(0);
      let end: number | undefined;
      while (end === undefined) {
        const next = await chunks.next();
        if (next.done === true) {
          break;
        }
        head = Buffer.concat([head, next.value]);
        end = headerLength(head);
      }
      first = head.subarray(end ?? head.length);
      yield head.subarray(0, end);
    },
    async *rest() {
      length = first.length;
      yield first;
      for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) {
        length += chunk.length;
        yield chunk;
      }
    },
  };
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
