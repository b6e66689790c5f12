import { formatReference } from '../registry/reference.ts';
import type { Manifest } from '../registry/schema.ts';
import { missingBlobs } from './artifact.ts';
import { bringBlob } from './bring.ts';
import { ConvertError, explained } from './errors.ts';
import type { AssembledImage } from './image.ts';
import { callOptions, provenanceOf, type ConversionJob } from './job.ts';
import { keepAlive, namedBy } from './keep.ts';
import { buildIndex, type Document } from './manifest.ts';
import { pushManifest } from './push.ts';
import type { SourceImage } from './source.ts';

/**
 * Has the target's tag name the artifact, after making sure that the registry holds every blob of it.
 * One platform makes a plain manifest, several an index, which for Zran also keeps the source.
 * @param sourceDigest what the source's reference resolved to.
 * @returns the artifact's digest, and the tags that were not there before.
 * @throws ConvertError of reason VerificationFailed, worth another attempt.
 */
export async function publish(
  assembled: readonly AssembledImage[],
  sourceDigest: string,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<{ digest: string; made: string[] }> {
  const kept = job.format === 'Zran' ? await keepSources(assembled, job, signal) : [];
  await verifyBlobs(
    [...assembled.map(({ manifest }) => manifest.manifest), ...kept.map(({ manifest }) => manifest)],
    job,
    signal,
  );
  const artifact = await pushChildren(assembled, kept, sourceDigest, job, signal);
  const { digest } = artifact.descriptor;
  const made = await keepAlive(digest, () => Promise.resolve(artifact), job, signal);
  const before = await namedBy(job.target.reference, job, signal);
  await pushManifest(artifact, true, job, signal);
  await verifyTag(digest, job, signal);
  return { digest, made: [...made, ...(before === undefined ? [job.target.reference.tag ?? ''] : [])] };
}

/**
 * Brings the manifests and configs of the source to where its layers are already: named by the artifact's index, none of them is
 * collected as garbage when the source's own tag has gone.
 */
async function keepSources(
  assembled: readonly AssembledImage[],
  job: ConversionJob,
  signal: AbortSignal,
): Promise<SourceImage[]> {
  const sources = assembled.map(({ image }) => image);
  for (const { manifest, descriptor, body } of sources) {
    await bringBlob(manifest.config, job.source, job, signal);
    await pushManifest({ descriptor, body }, false, job, signal);
  }
  return sources;
}

/** Pushes the manifests that an index names, and returns what the tag is to name. */
async function pushChildren(
  assembled: readonly AssembledImage[],
  kept: readonly SourceImage[],
  sourceDigest: string,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<Document> {
  const [first] = assembled;
  if (first !== undefined && assembled.length === 1 && kept.length === 0) {
    return first.manifest;
  }
  await Promise.all(assembled.map(({ manifest }) => pushManifest(manifest, false, job, signal)));
  const entries = assembled.map(({ image, manifest }) => ({
    descriptor: manifest.descriptor,
    platform: image.platform,
  }));
  const sources = kept.map(({ descriptor }) => descriptor);
  return buildIndex(entries, sources, sourceDigest, provenanceOf(job));
}

async function verifyBlobs(manifests: readonly Manifest[], job: ConversionJob, signal: AbortSignal): Promise<void> {
  const name = formatReference(job.target.reference);
  const options = { registry: job.registry, ...callOptions(job.target, signal) };
  const missing = await explained('target', `verify ${name}`, () =>
    missingBlobs(job.target.reference, manifests, options),
  );
  if (missing.length > 0) {
    const digests = missing.map(({ digest }) => digest).join(', ');
    throw unverified(`blobs pushed for ${name} are not in the registry: ${digests}`);
  }
}

async function verifyTag(digest: string, job: ConversionJob, signal: AbortSignal): Promise<void> {
  const name = formatReference(job.target.reference);
  const there = await explained('target', `verify ${name}`, () =>
    job.registry.resolve(job.target.reference, callOptions(job.target, signal)),
  );
  if (there.digest !== digest) {
    throw unverified(`${name} names ${there.digest} instead of the artifact ${digest} just pushed`);
  }
}

function unverified(message: string): ConvertError {
  return new ConvertError('VerificationFailed', message, { permanent: false });
}
