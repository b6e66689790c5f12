import { TransportError } from './errors.ts';

const NEWLINE = 0x0a;

/**
 * Splits a stream into lines (without their newline); an unfinished last line counts as one. Bounded: holds one line.
 * @param limit bytes of the longest line
 * @param what names the stream in errors
 * @throws TransportError when a line is longer
 */
export async function* lines(chunks: AsyncIterable<Buffer>, limit: number, what: string): AsyncGenerator<string, void> {
  const check = (bytes: number): void => {
    if (bytes > limit) {
      throw new TransportError(`${what}: a line is longer than ${limit} bytes`);
    }
  };
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      check(size + end - start);
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      size = 0;
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
    size += chunk.length - start;
    check(size);
  }
  if (size > 0) {
    yield Buffer.concat(parts).toString('utf8');
  }
}
