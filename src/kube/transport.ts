import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { abortable } from '../runtime/abort.ts';
import type { Connection } from './connection.ts';
import { deadline, type Deadline } from './deadline.ts';
import { ERROR_BODY_LIMIT, KubeError, TransportError, kubeErrorOf } from './errors.ts';

/** Bytes of an answer that are read at most: a page of 500 large objects fits. */
const ANSWER_LIMIT = 128 * 1024 * 1024;

/** Values of a URL's query; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** One request to the API server. */
export interface Call {
  method: Dispatcher.HttpMethod;
  /** Path below the server's base URL, each part already encoded. */
  path: string;
  query?: Query | undefined;
  /** Sent as JSON. */
  body?: unknown;
  contentType?: string | undefined;
  accept?: string | undefined;
}

/**
 * Sends calls over a connection, each within `timeoutMs` from its start to the last byte of the answer, and turns every
 * failure into an error that names the call.
 */
export interface Transport {
  /** The whole answer as text. Throws KubeError, TransportError, or the signal's reason. */
  text(call: Call, timeoutMs: number, signal?: AbortSignal): Promise<string>;
  /** The answer as it comes. Leaving the loop cancels the request. Throws like {@link Transport.text}. */
  stream(call: Call, timeoutMs: number, signal?: AbortSignal): AsyncIterable<Buffer>;
}

/** Makes a {@link Transport}. */
export function createTransport(connection: Connection, userAgent: string): Transport {
  async function open(call: Call, signal: AbortSignal): Promise<Readable> {
    const { dispatcher, headers } = await abortable(connection.access(), signal);
    const answer = await dispatcher.request({
      origin: connection.server.origin,
      path: requestTarget(connection.server, call),
      method: call.method,
      headers: {
        accept: call.accept ?? 'application/json',
        'user-agent': userAgent,
        ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
        ...headers,
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal,
      // The signal limits the whole; a quiet watch is no fault.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    if (answer.statusCode >= 200 && answer.statusCode < 300) {
      return answer.body;
    }
    const text = (await readStart(answer.body, ERROR_BODY_LIMIT)).toString('utf8');
    const retryAfter = answer.headers['retry-after']?.toString();
    throw kubeErrorOf(describe(call), answer.statusCode, text, retryAfter, Date.now());
  }

  return {
    async text(call, timeoutMs, signal) {
      using limit = deadline(timeoutMs, signal);
      try {
        return await readAll(await open(call, limit.signal));
      } catch (error) {
        throw explain(error, call, timeoutMs, limit, signal);
      }
    },
    async *stream(call, timeoutMs, signal) {
      using limit = deadline(timeoutMs, signal);
      try {
        // Leaving a for-await loop destroys the stream it runs over, which closes the connection.
        yield* await open(call, limit.signal);
      } catch (error) {
        throw explain(error, call, timeoutMs, limit, signal);
      }
    },
  };
}

/** Method and path of a call, for messages. The query is left out: it is long and says little. */
export function describe({ method, path }: Call): string {
  return `${method} ${path}`;
}

function requestTarget(server: URL, { path, query = {} }: Call): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) {
      search.set(name, String(value));
    }
  }
  const base = server.pathname.replace(/\/$/, '');
  return search.size === 0 ? `${base}${path}` : `${base}${path}?${search.toString()}`;
}

function explain(error: unknown, call: Call, timeoutMs: number, limit: Deadline, caller?: AbortSignal): unknown {
  if (caller?.aborted === true) {
    return caller.reason;
  }
  if (error instanceof KubeError || error instanceof TransportError) {
    return error;
  }
  const what = describe(call);
  if (limit.expired) {
    return new TransportError(`${what}: the API server did not finish its answer within ${timeoutMs} ms`);
  }
  return new TransportError(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

async function readAll(body: Readable): Promise<string> {
  const bytes = await readStart(body, ANSWER_LIMIT + 1);
  if (bytes.length > ANSWER_LIMIT) {
    throw new Error(`the answer is larger than ${ANSWER_LIMIT} bytes; ask for less at a time`);
  }
  return bytes.toString('utf8');
}

/** The first `limit` bytes of a stream; what follows is not read. */
async function readStart(body: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= limit) {
      break;
    }
  }
  return Buffer.concat(chunks).subarray(0, limit);
}
