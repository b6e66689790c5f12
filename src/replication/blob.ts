import pRetry from 'p-retry';
import type { BlobUpload } from '../registry/client.ts';
import type { Descriptor } from '../registry/schema.ts';
import { explained, isPassing } from './errors.ts';
import { callOptions, type CopyJob } from './job.ts';
import { readBlob } from './read.ts';

/** Attempts that one blob gets beyond the first when the network breaks, so that the others are not lost with it. */
const RETRIES = 2;

/** What had to be done for a blob. */
export type Outcome = 'sent' | 'mounted' | 'there';

/**
 * Brings a blob to where a job copies to: not at all if it is there, without sending it from another repository of the same
 * registry, else piece by piece as it comes. Its digest is known to be right before the registry is asked to keep it.
 * @param onBytes told how many bytes of it have been sent so far; an attempt that starts over says 0 again.
 * @throws ReplicateError
 */
export async function copyBlob(blob: Descriptor, job: CopyJob, onBytes: (bytes: number) => void): Promise<Outcome> {
  const { registry, from, to, retryDelay, log, signal } = job;
  const call = callOptions(to, job);
  return await pRetry(
    async () => {
      const there = await pushing(blob, job, () => registry.blobExists(to.reference, blob.digest, call));
      if (there === blob.size) {
        return 'there';
      }
      const sameRegistry = from.reference.registry === to.reference.registry;
      if (sameRegistry && from.reference.repository !== to.reference.repository) {
        const { repository } = from.reference;
        if (await pushing(blob, job, () => registry.mount(to.reference, blob.digest, repository, call))) {
          return 'mounted';
        }
      }
      await send(blob, job, onBytes);
      return 'sent';
    },
    {
      retries: RETRIES,
      minTimeout: retryDelay,
      signal,
      shouldRetry: ({ error }) => isPassing(error),
      onFailedAttempt: ({ error, retriesLeft }) => {
        log.warn({ blob: blob.digest, err: error, retriesLeft }, 'copying a blob failed');
      },
    },
  );
}

async function send(blob: Descriptor, job: CopyJob, onBytes: (bytes: number) => void): Promise<void> {
  const { registry, to } = job;
  const upload = await pushing(blob, job, () => registry.startUpload(to.reference, callOptions(to, job)));
  try {
    await stream(blob, upload, job, onBytes);
    await pushing(blob, job, () => upload.commit(blob.digest));
  } catch (error) {
    await upload.abort();
    throw error;
  }
}

async function stream(
  blob: Descriptor,
  upload: BlobUpload,
  job: CopyJob,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const chunks = readBlob(blob, job);
  let sent = 0;
  onBytes(sent);
  try {
    for (;;) {
      const next = await explained(`read blob ${blob.digest}`, job.role, () => chunks.next());
      if (next.done === true) {
        return;
      }
      await pushing(blob, job, () => upload.write(next.value));
      sent += next.value.length;
      onBytes(sent);
    }
  } finally {
    await chunks.return(undefined);
  }
}

function pushing<T>({ digest }: Descriptor, { to }: CopyJob, call: () => Promise<T>): Promise<T> {
  return explained(`push blob ${digest} to ${to.reference.registry}/${to.reference.repository}`, undefined, call);
}
