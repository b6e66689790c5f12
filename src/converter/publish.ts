import { formatReference } from '../registry/reference.ts';
import { missingBlobs } from './artifact.ts';
import { ConvertError, explained } from './errors.ts';
import type { AssembledImage } from './image.ts';
import { callOptions, provenanceOf, type ConversionJob } from './job.ts';
import { buildIndex, type Document } from './manifest.ts';
import { pushManifest } from './push.ts';

/**
 * Has the target's tag name the artifact, after making sure that the registry holds every blob of it.
 * One platform makes a plain manifest, several an index.
 * @param sourceDigest what the source's reference resolved to.
 * @returns the artifact's digest.
 * @throws ConvertError of reason VerificationFailed, worth another attempt.
 */
export async function publish(
  assembled: readonly AssembledImage[],
  sourceDigest: string,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<string> {
  await verifyBlobs(assembled, job, signal);
  const artifact = await pushChildren(assembled, sourceDigest, job, signal);
  await pushManifest(artifact, true, job, signal);
  const { digest } = artifact.descriptor;
  await verifyTag(digest, job, signal);
  return digest;
}

/** Pushes the manifests that an index names, and returns what the tag is to name. */
async function pushChildren(
  assembled: readonly AssembledImage[],
  sourceDigest: string,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<Document> {
  const [first] = assembled;
  if (first !== undefined && assembled.length === 1) {
    return first.manifest;
  }
  await Promise.all(assembled.map(({ manifest }) => pushManifest(manifest, false, job, signal)));
  const entries = assembled.map(({ image, manifest }) => ({
    descriptor: manifest.descriptor,
    platform: image.platform,
  }));
  return buildIndex(entries, sourceDigest, provenanceOf(job));
}

async function verifyBlobs(
  assembled: readonly AssembledImage[],
  job: ConversionJob,
  signal: AbortSignal,
): Promise<void> {
  const name = formatReference(job.target.reference);
  const manifests = assembled.map(({ manifest }) => manifest.manifest);
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
