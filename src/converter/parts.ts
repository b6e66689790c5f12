import { join } from 'node:path';
import { formatReference } from '../registry/reference.ts';
import { readArtifact, type Artifact, type ArtifactManifest } from './artifact.ts';
import { dictionaryUnusable, manifestFor, openDictionary, unusable, type Dictionary } from './dictionary.ts';
import type { ConversionJob, Endpoint } from './job.ts';
import type { ChunkDictionary } from './options.ts';
import type { Source, SourceImage } from './source.ts';

/** Platforms of a source that are converted with the same dictionary, or all of them without one. */
export interface Part {
  images: SourceImage[];
  dictionary?: Dictionary;
}

/** A manifest that serves an image as dictionary. */
interface Choice {
  made: ArtifactManifest;
  from: Endpoint;
}

/**
 * Divides a source by the dictionary that serves each platform, and brings the dictionaries' trees to the disk.
 * @param wanted what the request says; undefined: no dictionary.
 * @param earlier artifacts of the image's previous versions, the newest last.
 * @param endpoint the place of a reference, with the credentials for it.
 * @throws ConvertError DictionaryUnusable where the one that the request names cannot serve. A previous version that cannot
 *   is done without.
 */
export async function planParts(
  wanted: ChunkDictionary | undefined,
  { images }: Source,
  earlier: readonly Artifact[],
  job: ConversionJob,
  endpoint: (image: string) => Endpoint,
  signal: AbortSignal,
): Promise<Part[]> {
  if (wanted === undefined) {
    return [{ images }];
  }
  const choose =
    'image' in wanted
      ? await namedDictionary(endpoint(wanted.image), job, signal)
      : (image: SourceImage) => previousVersion(image, earlier, job);
  const parts = new Map<string, Part>();
  for (const image of images) {
    const choice = choose(image);
    const key = choice?.made.descriptor.digest ?? '';
    const part = parts.get(key) ?? { images: [], ...(await opened(choice, parts.size, job, signal)) };
    part.images.push(image);
    parts.set(key, part);
  }
  return [...parts.values()];
}

async function opened(
  choice: Choice | undefined,
  number: number,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<{ dictionary?: Dictionary }> {
  if (choice === undefined) {
    return {};
  }
  const { made, from } = choice;
  const dictionary = await openDictionary(made, from, join(job.workDir, `dictionary-${number}.boot`), job, signal);
  job.log.info({ dictionary: formatReference({ ...from.reference, digest: dictionary.digest }) }, 'chunk dictionary');
  return { dictionary };
}

async function namedDictionary(
  from: Endpoint,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<(image: SourceImage) => Choice | undefined> {
  const name = formatReference(from.reference);
  const artifact = await readArtifact(from.reference, {
    registry: job.registry,
    credentials: from.credentials,
    signal,
  });
  if (artifact === undefined) {
    throw dictionaryUnusable(name, 'there is no such image');
  }
  return (image) => {
    const made = manifestFor(artifact, image);
    if (made === undefined) {
      job.log.info({ dictionary: name, platform: image.name }, 'the chunk dictionary has nothing for this platform');
      return undefined;
    }
    const why = unusable(made, image.manifest.layers.length, job.fsVersion, job.builder);
    if (why !== undefined) {
      throw dictionaryUnusable(name, why);
    }
    return { made, from };
  };
}

function previousVersion(image: SourceImage, earlier: readonly Artifact[], job: ConversionJob): Choice | undefined {
  for (const artifact of earlier.toReversed()) {
    const made = manifestFor(artifact, image);
    const why = made && unusable(made, image.manifest.layers.length, job.fsVersion, job.builder);
    if (made !== undefined && why === undefined) {
      return { made, from: { reference: artifact.reference, credentials: job.target.credentials } };
    }
    job.log.info({ artifact: artifact.digest, why }, 'the previous version cannot serve as chunk dictionary');
  }
  return undefined;
}
