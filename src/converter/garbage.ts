import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of buffers after which those are looked for that nobody needs any more. */
const EVERY = 16 << 20;

/** What the function of `node --expose-gc` can be asked for. */
type Collect = (options: { type: 'minor' }) => void;

let collect: Collect | undefined;
let bytes = 0;

/**
 * Passes the buffers of a big stream on, and has those collected that were used up: young ones are found in a moment. V8 13
 * (Node.js 24) would look through the whole heap for each 24 MiB that were allocated outside of it, which costs more CPU than
 * inflating a layer. From V8 14.8 on it counts them as the flag here has it; without that, these collections would not help.
 */
export async function* collected(buffers: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  collect ??= collector();
  for await (const buffer of buffers) {
    bytes += buffer.length;
    if (bytes >= EVERY) {
      bytes = 0;
      collect({ type: 'minor' });
    }
    yield buffer;
  }
}

function collector(): Collect {
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
