import type { Readable } from 'node:stream';
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import type { Clock } from './clock.ts';

export interface HttpCall {
  method: 'GET' | 'POST';
  url: URL;
  headers: Record<string, string>;
  body?: string;
}

export interface HttpAnswer {
  status: number;
  /** First value of a header, by its lower-case name. */
  header(name: string): string | undefined;
  body: Buffer;
  /** Whether the body was longer than the limit, and the rest was left unread. */
  truncated: boolean;
}

export interface HttpOptions {
  dispatcher: Dispatcher;
  clock: Clock;
  signal: AbortSignal;
  /** Milliseconds from the start of the call to the last byte of the answer. */
  timeoutMs: number;
  /** Bytes of the answer that are read at most. */
  limit: number;
}

/** Codes of failures before anything was sent. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** There was no answer, or none that could be read to its end. */
export class HttpError extends Error {
  override name = 'HttpError';
  /** Whether there was a connection at all. */
  readonly connected: boolean;

  constructor(message: string, connected: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.connected = connected;
  }
}

/**
 * Sends one request and reads the answer, up to the limit, whatever its status.
 * @throws HttpError, or the signal's reason
 */
export async function exchange(call: HttpCall, options: HttpOptions): Promise<HttpAnswer> {
  const { dispatcher, clock, signal, timeoutMs, limit } = options;
  const { method, url, headers, body } = call;
  signal.throwIfAborted();
  const late = new AbortController();
  const timer = clock.after(timeoutMs, () => late.abort());
  try {
    const answer = await request(url, {
      method,
      headers: { 'user-agent': 'slipstream', ...headers },
      body: body ?? null,
      dispatcher,
      signal: AbortSignal.any([signal, late.signal]),
      // The signal limits the whole, by the clock that was handed in.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return {
      status: answer.statusCode,
      header: (name) => [answer.headers[name] ?? []].flat()[0],
      ...(await readUpTo(answer.body, limit)),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (late.signal.aborted) {
      throw new HttpError(`no whole answer within ${timeoutMs / 1000} s`, true, error);
    }
    const { code, message } = error as { code?: unknown; message?: unknown };
    throw new HttpError(String(message ?? error), !NOT_CONNECTED.has(String(code)), error);
  } finally {
    timer.cancel();
  }
}

async function readUpTo(body: Readable, limit: number): Promise<{ body: Buffer; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    chunks.push(chunk);
    if (size > limit) {
      // Leaving the loop destroys the stream, and the connection with it.
      return { body: Buffer.concat(chunks, limit), truncated: true };
    }
  }
  return { body: Buffer.concat(chunks), truncated: false };
}

/** Milliseconds that a Retry-After header asks to wait (RFC 9110 §10.2.3: seconds or a date); undefined without a valid one. */
export function retryAfterMs(answer: HttpAnswer, now: Date): number | undefined {
  const text = answer.header('retry-after')?.trim();
  if (text === undefined || text === '') {
    return undefined;
  }
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
