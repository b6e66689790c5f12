import { Socket } from 'node:net';
import { finished } from 'node:stream/promises';

/** One is filled while the other is being used. */
const BUFFERS = 2;

/** Buffers of pipes that have been read, for those that come: as many as were ever read at once. */
const spare: Buffer[] = [];

/**
 * Reads a pipe to its end, in pieces of so many bytes, the last one shorter. Two buffers take turns, so that bytes are neither
 * copied nor left for the garbage collector, which would cost more than all else that is done with them.
 * @param fd open without blocking; closed at the end.
 * @returns pieces, each good until the next is asked for, and a shorter last one for good: whoever gathers bytes to send them
 * when there are enough may still hold it then. They throw where the signal is aborted.
 */
export function readPieces(fd: number, size: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const buffers: Buffer[] = [];
  const bufferOf = (piece: number): Buffer => (buffers[piece % BUFFERS] ??= takeBuffer(size));
  let [whole, used, filled] = [0, 0, 0];
  let wake = (): void => undefined;
  const socket = new Socket({
    fd,
    writable: false,
    signal,
    onread: {
      // Where both are in use, this is the one that is free when reading goes on.
      buffer: () => bufferOf(whole).subarray(filled),
      callback(bytes) {
        filled += bytes;
        if (filled === size) {
          [whole, filled] = [whole + 1, 0];
          wake();
        }
        return whole - used < BUFFERS;
      },
    },
  });
  const over = finished(socket, { writable: false });
  // Thrown where the pieces are read.
  over.catch(() => undefined);
  /** Whether another whole piece has come, rather than the end. */
  async function hasWhole(): Promise<boolean> {
    const filling = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await (whole > used ? undefined : Promise.race([filling, over]));
    return whole > used;
  }

  async function* pieces(): AsyncGenerator<Buffer> {
    try {
      while (await hasWhole()) {
        yield bufferOf(used);
        used += 1;
        socket.resume();
      }
      if (filled > 0) {
        yield Buffer.from(bufferOf(whole).subarray(0, filled));
      }
    } finally {
      socket.destroy();
      spare.push(...buffers.splice(0));
    }
  }
  return pieces();
}

function takeBuffer(size: number): Buffer {
  const at = spare.findIndex(({ length }) => length === size);
  const [buffer = Buffer.allocUnsafeSlow(size)] = at === -1 ? [] : spare.splice(at, 1);
  return buffer;
}
