import { RegistryError } from '../registry/errors.ts';
import { formatReference, type Reference } from '../registry/reference.ts';
import { explained } from './errors.ts';
import { callOptions, type ConversionJob } from './job.ts';
import type { Document } from './manifest.ts';
import { ownTag } from './owntag.ts';

/**
 * Has an artifact named by a tag of its own, before the target's tag moves away from it: registries may collect what no tag
 * names, and Pods that run it go on reading it.
 * @param read gives the artifact's manifest or index, where the tag is not there.
 * @returns the tag, if it was not there before.
 */
export async function keepAlive(
  digest: string,
  read: () => Promise<Pick<Document, 'body' | 'descriptor'>>,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<string[]> {
  const { registry, target, watches, traffic } = job;
  const { registry: host, repository, tag = '' } = target.reference;
  const reference = { registry: host, repository, tag: ownTag(tag, digest) };
  const before = await namedBy(reference, job, signal);
  if (before === digest) {
    return [];
  }
  await explained('target', `push manifest ${digest} to ${formatReference(reference)}`, async () => {
    const { body, descriptor } = await read();
    await watches.push.during(() =>
      registry.pushManifest(reference, body, descriptor.mediaType, callOptions(target, signal)),
    );
    traffic.pushed += body.length;
  });
  return before === undefined ? [reference.tag] : [];
}

/**
 * The same for an artifact that was there already. One that cannot be tagged, as by credentials that may only read, is as good
 * as it was.
 */
export async function keepEarlier(digest: string, job: ConversionJob, signal: AbortSignal): Promise<string[]> {
  const { registry, target, log } = job;
  const { registry: host, repository } = target.reference;
  try {
    const read = () => registry.manifest({ registry: host, repository, digest }, callOptions(target, signal));
    return await keepAlive(digest, read, job, signal);
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ digest, err: error }, 'the artifact could not be given a tag of its own');
    return [];
  }
}

/** What a tag names, or undefined where there is none. */
export async function namedBy(
  reference: Reference,
  { registry, target }: ConversionJob,
  signal: AbortSignal,
): Promise<string | undefined> {
  return await explained('target', `look for ${formatReference(reference)}`, async () => {
    try {
      return (await registry.resolve(reference, callOptions(target, signal))).digest;
    } catch (error) {
      if (error instanceof RegistryError && error.kind === 'NotFound') {
        return undefined;
      }
      throw error;
    }
  });
}
