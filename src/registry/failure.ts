import { addAbortSignal } from 'node:stream';
import { z } from 'zod';
import { RefusedAddressError } from './addresses.ts';
import { RegistryError } from './errors.ts';
import type { RegistryErrorKind } from './errors.ts';
import type { HttpRequest, HttpResponse } from './transport.ts';

const ERROR_BODY_LIMIT = 16 * 1024;
const ERROR_BODY_MS = 5_000;

/** OCI Distribution Specification, "Error Codes". */
const ErrorBody = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string().optional() })).min(1),
});

/**
 * Reads a whole body, whose length is at most `limit` bytes.
 * @throws RegistryError of kind TooLarge, or Unreachable if it breaks off or stalls.
 */
export async function readBody(response: HttpResponse, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) {
        throw new RegistryError(
          'TooLarge',
          `${response.request.subject}: ${response.url.host} sent more than ${limit} bytes`,
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw explain(error, response);
  }
  return Buffer.concat(chunks);
}

/** Turns an answer that was not hoped for into an error. Takes its body. */
export async function failureOf(response: HttpResponse): Promise<RegistryError> {
  const { request, status, url } = response;
  const reason = await readReason(response);
  const retryAfter = parseRetryAfter(response.headers['retry-after'], Date.now());
  const elsewhere = url.origin !== request.url.origin;
  const kind = elsewhere && (status === 401 || status === 403) ? 'Unreachable' : kindOf(status, reason.code);
  const where = elsewhere ? `${url.host}, where ${request.url.host} redirected to,` : url.host;
  const message = `${request.subject}: ${where} answered ${[status, reason.text].filter(Boolean).join(' ')}. ${advice(kind, retryAfter)}`;
  return new RegistryError(kind, message, { status, code: reason.code, retryAfter });
}

/**
 * Turns whatever interrupted an exchange into an error for the caller: the caller's own reason once it aborted, else a
 * RegistryError.
 */
export function explain(error: unknown, { request, url }: { request: HttpRequest; url: URL }): Error {
  if (request.signal.aborted) {
    return request.signal.reason instanceof Error ? request.signal.reason : new Error(String(request.signal.reason));
  }
  if (error instanceof RegistryError) {
    return error;
  }
  if (error instanceof RefusedAddressError) {
    return new RegistryError('Refused', `${request.subject}: ${url.host} ${error.message}`);
  }
  return new RegistryError('Unreachable', `${request.subject}: ${url.host} ${describe(error)}`, { cause: error });
}

/** Milliseconds to wait by a Retry-After field, of seconds or of a date (RFC 9110 §10.2.3); undefined if it is neither. */
export function parseRetryAfter(field: string | undefined, now: number): number | undefined {
  if (field === undefined) {
    return undefined;
  }
  // Date.parse alone would take "-5" for a year.
  const date = /^[A-Z][a-z]/.test(field) ? Date.parse(field) : Number.NaN;
  const wait = /^\d+$/.test(field) ? Number(field) * 1000 : date - now;
  return Number.isFinite(wait) ? Math.max(wait, 0) : undefined;
}

function kindOf(status: number, code: string | undefined): RegistryErrorKind {
  switch (status) {
    case 401:
    case 403:
      return 'Unauthorized';
    case 404:
      return 'NotFound';
    case 405:
    case 501:
      return 'Unsupported';
    case 413:
      return 'TooLarge';
    case 429:
      return 'RateLimited';
    default:
      if (code === 'DIGEST_INVALID' || code === 'SIZE_INVALID') {
        return 'DigestMismatch';
      }
      return status >= 500 || status === 408 ? 'Unreachable' : 'Invalid';
  }
}

function advice(kind: RegistryErrorKind, retryAfter: number | undefined): string {
  switch (kind) {
    case 'NotFound':
      return 'Check its name, and that it was pushed';
    case 'Unauthorized':
      return 'Check that it exists, and that the credentials given for the registry (or anonymous access, if none were) allow this';
    case 'RateLimited':
      return `Wait ${retryAfter === undefined ? 'a while' : `${Math.ceil(retryAfter / 1000)}s`}, or use credentials with a higher limit`;
    case 'Unreachable':
      return 'Try again later; if it stays, look at the registry';
    case 'Unsupported':
      return 'The registry does not offer this';
    case 'Refused':
      return 'No registry may be there';
    case 'TooLarge':
      return "It is over the registry's limit";
    case 'DigestMismatch':
      return 'What arrived there is not what was sent; send it again';
    case 'Invalid':
      return 'The registry does not accept this request';
  }
}

async function readReason(response: HttpResponse): Promise<{ code?: string; text?: string }> {
  addAbortSignal(AbortSignal.timeout(ERROR_BODY_MS), response.body);
  try {
    const body: unknown = JSON.parse((await readBody(response, ERROR_BODY_LIMIT)).toString('utf8'));
    const first = ErrorBody.parse(body).errors[0];
    if (first === undefined) {
      return {};
    }
    const { code, message } = first;
    return { code, text: `(${printable(message === undefined ? code : `${code}: ${message}`)})` };
  } catch {
    return {}; // The status alone must do: many proxies answer errors in HTML, or with nothing.
  }
}

/** Text of a stranger, fit for a log line: no control characters, no queries of URLs (they may be signed), not long. */
function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/\?\S*/g, '')
    .slice(0, 200);
}

function describe(error: unknown): string {
  const { code = '', name, message } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError') {
    return 'did not answer in full in time; check that it is well, or look for a slow network';
  }
  if (/CERT|SIGNATURE/.test(code)) {
    return `has a certificate that is not trusted (${code}); set ca for the registry to the PEM that signs it`;
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return `does not speak TLS as expected (${code}); if it is meant to speak plain HTTP, set plainHTTP for the registry`;
  }
  const known: Record<string, string> = {
    ECONNREFUSED: 'refused the connection',
    ENOTFOUND: 'has no address',
    EAI_AGAIN: 'could not be looked up',
    UND_ERR_CONNECT_TIMEOUT: 'could not be connected to in time',
    UND_ERR_HEADERS_TIMEOUT: 'did not answer in time',
    UND_ERR_BODY_TIMEOUT: 'stopped in the middle of its answer',
    UND_ERR_SOCKET: 'closed the connection in the middle of an exchange',
    ECONNRESET: 'reset the connection',
  };
  return `${known[code] ?? `could not be talked to (${code === '' ? message : code})`}; check that it is up and reachable from here`;
}
