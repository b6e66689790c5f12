import { formatReference } from '../registry/reference.ts';
import type { Descriptor } from '../registry/schema.ts';
import { hasOrMounts } from './bring.ts';
import { explained } from './errors.ts';
import { callOptions, type ConversionJob } from './job.ts';

/**
 * Passes the bytes of a source layer on, and leaves the layer in the target's repository on the way: a Zran index reads its data
 * there. Nothing is sent where the repository has it, or can mount it.
 * @param chunks end well only if the layer's digest is right.
 */
export async function* keepOriginal(
  layer: Descriptor,
  chunks: AsyncIterable<Buffer>,
  job: ConversionJob,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { registry, source, target, traffic, watches } = job;
  const pushing = <T>(call: () => Promise<T>): Promise<T> =>
    explained('target', `push layer ${layer.digest} to ${formatReference(target.reference)}`, call);
  if (await pushing(() => hasOrMounts(layer, source.reference, job, signal))) {
    yield* chunks;
    return;
  }
  const upload = await pushing(() => registry.startUpload(target.reference, callOptions(target, signal)));
  let committed = false;
  try {
    for await (const chunk of chunks) {
      await pushing(() => watches.push.during(() => upload.write(chunk)));
      traffic.pushed += chunk.length;
      yield chunk;
    }
    await pushing(() => upload.commit(layer.digest));
    committed = true;
  } finally {
    await (committed ? undefined : upload.abort().catch(() => undefined));
  }
}
