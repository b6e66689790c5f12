import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { readPieces } from './pieces.ts';

/** How often the writer looks for the reader, which comes within milliseconds of its start. */
const READER_POLL_MS = 2;

/**
 * Makes named pipes. Node has no call for it, and the pipes that it gives a child process are sockets, which cannot be
 * opened through /dev/fd, so nydus-image could not read a stream from them.
 */
export async function makeFifos(paths: string[], signal: AbortSignal): Promise<void> {
  await promisify(execFile)('mkfifo', ['-m', '600', ...paths], { signal });
}

/** The end of a named pipe that this process reads. */
export interface FifoReader {
  /** What is read, see {@link readPieces}. */
  pieces: AsyncGenerator<Buffer>;
  /** Lets the pieces end once the pipe is drained. Call it when the writing process has ended: however it did, or never wrote. */
  release: () => void;
}

/*
 * Both ends are opened without blocking and polled: a blocking open or read would hold one of the four threads that Node
 * also decompresses on, and a few layers at once would bring everything to a standstill.
 */

/** Opens a named pipe to read what another process writes, in pieces of so many bytes. */
export function openFifoReader(path: string, pieceSize: number, signal: AbortSignal): FifoReader {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  // A pipe that a writer has opened and closed has ended; this writer keeps it from ending before the process came.
  const writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  let released = false;
  return {
    pieces: readPieces(fd, pieceSize, signal),
    release: () => {
      if (!released) {
        released = true;
        closeSync(writer);
      }
    },
  };
}

/**
 * Opens a named pipe to write what another process reads, once it has opened the pipe: what is written and closed before
 * that is lost. Writing fails with EPIPE after that process has ended.
 */
export async function openFifoWriter(path: string, signal: AbortSignal): Promise<Writable> {
  for (;;) {
    signal.throwIfAborted();
    const fd = tryOpenWriter(path);
    if (fd !== undefined) {
      return new Socket({ fd, readable: false, writable: true });
    }
    await setTimeout(READER_POLL_MS, undefined, { signal });
  }
}

/** Undefined while nobody has the pipe open to read; the kernel tells that only to who asks. */
function tryOpenWriter(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') {
      return undefined;
    }
    throw error;
  }
}
