import type { Readable } from 'node:stream';
import { mismatch, verifier } from './digest.ts';
import type { Promised } from './digest.ts';
import { RegistryError } from './errors.ts';
import { explain } from './failure.ts';
import type { Range } from './requests.ts';
import type { Answer } from './session.ts';
import { discard } from './transport.ts';
import type { HttpResponse } from './transport.ts';

/**
 * Checks that an answer holds just the range that was asked for (RFC 9110 §14). Takes its body if not.
 * @throws RegistryError of kind Unsupported if the registry answered with the whole blob: that may be gigabytes.
 */
export function checkRange(response: HttpResponse, { offset, length }: Range): void {
  const { status, headers, request, url } = response;
  const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(headers['content-range'] ?? '') ?? [];
  if (status === 206 && Number(first) === offset && Number(last) === offset + length - 1) {
    return;
  }
  discard(response);
  if (status === 200) {
    throw new RegistryError(
      'Unsupported',
      `${request.subject}: ${url.host} cannot send a part of a blob (HTTP ranges)`,
      { status },
    );
  }
  throw mismatch(request.subject, `bytes ${first}-${last} came instead of ${offset}-${offset + length - 1}`);
}

/** Bytes by the Content-Length field, or undefined where there is none. */
export function contentLength({ headers }: Pick<HttpResponse, 'headers'>): number | undefined {
  const field = headers['content-length'];
  return field !== undefined && /^\d+$/.test(field) ? Number(field) : undefined;
}

/**
 * Checks that a registry, if it says under which digest it stored something, says the right one.
 * @throws RegistryError of kind DigestMismatch.
 */
export function checkStored({ headers, request }: Answer, digest: string): void {
  const stored = headers['docker-content-digest'];
  if (stored !== undefined && stored !== digest) {
    throw mismatch(request.subject, `the registry stored it as ${String(stored)} instead of ${digest}`);
  }
}

/** The body of an answer, checked in passing: see {@link verifier}. Its errors are such as a caller can understand. */
export function verifiedBody(response: HttpResponse, promised: Promised): Readable {
  const { body } = response;
  const stream = verifier(promised, response.request.subject);
  body.on('error', (error) => {
    stream.destroy(explain(error, response));
  });
  stream.on('close', () => {
    body.destroy();
  });
  return body.pipe(stream);
}
