import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { mismatch } from '../registry/digest.ts';
import { isTransient, RegistryError } from '../registry/errors.ts';
import type { Descriptor } from '../registry/schema.ts';
import { callOptions, type CopyJob } from './job.ts';

/** Breaks in a row, without a byte between them, that a read gets over. */
const BREAKS = 6;
const WAIT_MAX_MS = 10_000;

/**
 * Reads a blob from its start to its end, and goes on where it broke off: by HTTP ranges, or where the registry has none by
 * passing over what came before. It ends well only if the bytes, from however many connections they came, have the digest.
 * @throws RegistryError of kind DigestMismatch, or as the registry client does.
 */
export async function* readBlob(blob: Descriptor, job: CopyJob): AsyncGenerator<Buffer> {
  const { registry, from, retryDelay, log, signal } = job;
  const subject = `blob ${blob.digest} of ${from.reference.registry}/${from.reference.repository}`;
  const hash = createHash('sha256');
  let offset = 0;
  let breaks = 0;
  let hasRanges = true;
  while (offset < blob.size) {
    const range = offset > 0 && hasRanges ? { offset, length: blob.size - offset } : undefined;
    let passOver = range === undefined ? offset : 0;
    try {
      const stream = await registry.blob(from.reference, blob, { ...callOptions(from, job), range });
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        const fresh = chunk.subarray(Math.min(passOver, chunk.length));
        passOver -= chunk.length - fresh.length;
        if (fresh.length > 0) {
          offset += fresh.length;
          breaks = 0;
          hash.update(fresh);
          yield fresh;
        }
      }
    } catch (error) {
      if (range !== undefined && error instanceof RegistryError && error.kind === 'Unsupported') {
        hasRanges = false;
        continue;
      }
      if (!isTransient(error) || breaks === BREAKS) {
        throw error;
      }
      log.warn({ subject, offset, err: error }, 'a blob broke off; reading goes on from there');
      await delay(Math.min(retryDelay * 2 ** breaks, WAIT_MAX_MS), undefined, { signal }).catch(() =>
        signal.throwIfAborted(),
      );
      breaks += 1;
    }
  }
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest !== blob.digest) {
    throw mismatch(subject, `its content has the digest ${digest}`);
  }
}
