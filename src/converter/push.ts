import { createReadStream } from 'node:fs';
import { formatReference } from '../registry/reference.ts';
import { explained } from './errors.ts';
import { callOptions, type ConversionJob } from './job.ts';
import type { Document } from './manifest.ts';

/** Sends a file as a blob to the target's repository, unless it is there already. */
export async function pushFile(path: string, digest: string, job: ConversionJob, signal: AbortSignal): Promise<void> {
  const { registry, target, watches, traffic } = job;
  const call = callOptions(target, signal);
  await explained('target', pushing(`blob ${digest}`, job), () =>
    watches.push.during(async () => {
      if ((await registry.blobExists(target.reference, digest, call)) !== undefined) {
        return;
      }
      const upload = await registry.startUpload(target.reference, call);
      try {
        for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
          await upload.write(chunk);
          traffic.pushed += chunk.length;
        }
        await upload.commit(digest);
      } catch (error) {
        await upload.abort();
        throw error;
      }
    }),
  );
}

/** Sends a document as a blob. */
export async function pushDocument({ body }: Document, job: ConversionJob, signal: AbortSignal): Promise<void> {
  const { registry, target, watches, traffic } = job;
  await explained('target', pushing('the config', job), () =>
    watches.push.during(() => registry.pushBlob(target.reference, body, callOptions(target, signal))),
  );
  traffic.pushed += body.length;
}

/**
 * Sends a document as a manifest or index.
 * @param tagged whether the target's tag names it from now on; else it is there under its digest alone.
 */
export async function pushManifest(
  { descriptor, body }: Document,
  tagged: boolean,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<void> {
  const { registry, target, watches, traffic } = job;
  const { registry: host, repository } = target.reference;
  const reference = tagged ? target.reference : { registry: host, repository, digest: descriptor.digest };
  await explained('target', pushing(`manifest ${descriptor.digest}`, job), () =>
    watches.push.during(() =>
      registry.pushManifest(reference, body, descriptor.mediaType, callOptions(target, signal)),
    ),
  );
  traffic.pushed += body.length;
}

function pushing(what: string, { target }: ConversionJob): string {
  return `push ${what} to ${formatReference(target.reference)}`;
}
