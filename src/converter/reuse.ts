import { formatReference, parseReference } from '../registry/reference.ts';
import {
  matchArtifact,
  missingBlobs,
  readArtifact,
  reusableLayers,
  type Artifact,
  type ReusableLayer,
  type TargetOptions,
} from './artifact.ts';
import { explained } from './errors.ts';
import type { ConversionJob } from './job.ts';
import type { PlatformResult } from './result.ts';
import type { Source } from './source.ts';

/** The platforms of an artifact that is what this conversion would make, as long as all of it is in the registry. */
export async function findWhole(
  artifact: Artifact,
  source: Source,
  job: ConversionJob,
  options: TargetOptions,
): Promise<PlatformResult[] | undefined> {
  const platforms = matchArtifact(artifact, source, job.optionsHash);
  if (platforms === undefined) {
    return undefined;
  }
  const manifests = artifact.manifests.map(({ manifest }) => manifest);
  const missing = await explained('target', `check ${formatReference(artifact.reference)}`, () =>
    missingBlobs(job.target.reference, manifests, options),
  );
  return missing.length === 0 ? platforms : undefined;
}

/**
 * Earlier artifacts: those that the request names, the newest last, and what the target's tag names now.
 * @param images references. One that cannot be read costs only its reuse.
 */
export async function readEarlier(
  images: readonly string[],
  current: Artifact | undefined,
  job: ConversionJob,
  options: TargetOptions,
): Promise<Artifact[]> {
  const earlier = await Promise.all(images.map((image) => tryRead(image, job, options)));
  return [...earlier, current].filter((artifact) => artifact !== undefined);
}

/** Layers that earlier artifacts hold and this conversion would make again, by digest of the source layer. */
export function findReusable(
  earlier: readonly Artifact[],
  { layerOptions, builder, dictionary }: ConversionJob,
): Map<string, ReusableLayer> {
  const recipe = { layerOptions, builder, dictionary: dictionary?.digest };
  return new Map(earlier.flatMap((artifact) => [...reusableLayers(artifact, recipe)]));
}

async function tryRead(image: string, job: ConversionJob, options: TargetOptions): Promise<Artifact | undefined> {
  try {
    return await readArtifact(parseReference(image), options);
  } catch (error) {
    options.signal.throwIfAborted();
    job.log.warn({ image, err: error }, 'an earlier artifact cannot be read; its layers are converted again');
    return undefined;
  }
}
