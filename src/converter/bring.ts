import { formatReference, type Repository } from '../registry/reference.ts';
import type { Descriptor } from '../registry/schema.ts';
import { explained } from './errors.ts';
import { callOptions, type ConversionJob, type Endpoint } from './job.ts';

/**
 * Whether the target's repository has a blob, if need be after taking it over from another repository of the same registry
 * without sending it.
 */
export async function hasOrMounts(
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  from: Repository,
  { registry, target }: ConversionJob,
  signal: AbortSignal,
): Promise<boolean> {
  const { reference } = target;
  const call = callOptions(target, signal);
  let there = await registry.blobExists(reference, digest, call);
  if (there === undefined && from.registry === reference.registry && from.repository !== reference.repository) {
    const mounted = await registry.mount(reference, digest, from.repository, call);
    there = mounted ? await registry.blobExists(reference, digest, call) : undefined;
  }
  return there === size;
}

/** Makes sure that the target's repository has a blob: it is mounted where the registry can, and else sent. */
export async function bringBlob(
  blob: Descriptor,
  from: Endpoint,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<void> {
  const { registry, target, traffic, watches } = job;
  const doing = `bring blob ${blob.digest} of ${formatReference(from.reference)} to ${formatReference(target.reference)}`;
  await explained('target', doing, async () => {
    if (await hasOrMounts(blob, from.reference, job, signal)) {
      return;
    }
    const upload = await registry.startUpload(target.reference, callOptions(target, signal));
    try {
      const stream = await registry.blob(from.reference, blob, callOptions(from, signal));
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        traffic.read += chunk.length;
        await watches.push.during(() => upload.write(chunk));
        traffic.pushed += chunk.length;
      }
      await upload.commit(blob.digest);
    } catch (error) {
      await upload.abort().catch(() => undefined);
      throw error;
    }
  });
}
