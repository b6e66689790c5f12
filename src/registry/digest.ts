import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';
import { RegistryError } from './errors.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Whether a text is a digest of the one algorithm that registries and containerd share. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** The sha256 digest of some bytes, as the OCI Image Specification writes it. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** What bytes in passing must turn out to be. */
export interface Promised {
  /** Bytes. */
  size: number;
  /** Absent for a part of a blob, whose digest nobody knows. */
  digest?: string | undefined;
}

/**
 * Passes bytes through and counts and hashes them. The stream is destroyed with a RegistryError of kind DigestMismatch as
 * soon as there are too many bytes, or at the end if there were too few or others than promised. So whoever reads must not
 * act on the bytes before the stream has ended.
 * @param subject what the bytes are, for the message.
 */
export function verifier(promised: Promised, subject: string): Transform {
  const hash = createHash('sha256');
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
      size += chunk.length;
      if (size > promised.size) {
        done(mismatch(subject, `it has more than the promised ${promised.size} bytes`));
        return;
      }
      if (promised.digest !== undefined) {
        hash.update(chunk);
      }
      done(null, chunk);
    },
    flush(done: TransformCallback): void {
      if (size !== promised.size) {
        done(mismatch(subject, `it ended after ${size} of ${promised.size} bytes`));
        return;
      }
      const digest = promised.digest === undefined ? undefined : `sha256:${hash.digest('hex')}`;
      done(digest === promised.digest ? null : mismatch(subject, `its content has the digest ${digest}`));
    },
  });
}

/** The error for content that is not what was asked for. */
export function mismatch(subject: string, what: string): RegistryError {
  return new RegistryError(
    'DigestMismatch',
    `${subject}: ${what}. It was not used; the registry, or something between, holds or sends wrong content`,
  );
}
