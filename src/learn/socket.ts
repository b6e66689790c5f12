import { request } from 'node:http';

/** Milliseconds from the call to the last byte of the answer. */
const TIMEOUT_MS = 10_000;

/** No usable answer came over a Unix socket. */
export class SocketError extends Error {
  override name = 'SocketError';
  /** Status of the answer; undefined where there was none. */
  readonly status: number | undefined;

  constructor(message: string, status?: number, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/**
 * Asks an HTTP server on a Unix socket.
 * @param maxBytes the longest answer that is read
 * @returns the body of an answer of 200
 * @throws SocketError saying which socket and why, or the signal's reason
 */
export async function getFromSocket(
  socketPath: string,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<string> {
  try {
    const { status, body } = await exchange(
      socketPath,
      path,
      maxBytes,
      AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    );
    if (status !== 200) {
      throw new SocketError(`${socketPath} answered ${status} to GET ${path}: ${body.slice(0, 200)}`, status);
    }
    return body;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SocketError) {
      throw error;
    }
    const late = error instanceof Error && error.name === 'AbortError';
    const why = late
      ? `no answer within ${TIMEOUT_MS / 1000} s`
      : error instanceof Error
        ? error.message
        : String(error);
    throw new SocketError(`${socketPath} could not be asked for ${path}: ${why}`, undefined, error);
  }
}

function exchange(
  socketPath: string,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, agent: false, signal, headers: { host: 'localhost' } }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes) {
          response.destroy(new Error(`the answer has more than ${maxBytes / 2 ** 20} MiB`));
        }
        chunks.push(chunk);
      });
      response.once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    call.once('error', reject);
    call.end();
  });
}
