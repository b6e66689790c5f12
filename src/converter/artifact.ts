import pLimit from 'p-limit';
import {
  DICTIONARY_ANNOTATION,
  IRREGULAR_LAYER_ANNOTATION,
  LAYER_OPTIONS_ANNOTATION,
  OPTIONS_ANNOTATION,
  SOURCE_LAYER_ANNOTATION,
} from '../api/v1alpha1/labels.ts';
import type { Credentials } from '../registry/auth.ts';
import type { RegistryClient } from '../registry/client.ts';
import { RegistryError, type RegistryErrorKind } from '../registry/errors.ts';
import { formatReference, type Reference, type Repository } from '../registry/reference.ts';
import { isIndex, type Descriptor, type Manifest, type Platform } from '../registry/schema.ts';
import { explained } from './errors.ts';
import type { BlobLayer } from './manifest.ts';
import {
  BLOB_ANNOTATION,
  BOOTSTRAP_ANNOTATION,
  BUILDER_VERSION_ANNOTATION,
  REFERENCE_ANNOTATION,
  SOURCE_DIGEST_ANNOTATION,
} from './nydus.ts';
import type { PlatformResult } from './result.ts';
import type { Source } from './source.ts';

/** Questions to the registry that are asked at the same time. */
const PARALLEL = 8;

/** What a registry says where there is nothing, or something that is not ours. */
const NO_ARTIFACT: readonly RegistryErrorKind[] = ['NotFound', 'Invalid', 'Unsupported'];

/** Where artifacts are and how to get at them. */
export interface TargetOptions {
  registry: RegistryClient;
  credentials?: Credentials | undefined;
  signal: AbortSignal;
}

/** A manifest of an artifact in the registry. */
export interface ArtifactManifest {
  /** What the index says that it is for; a plain manifest does not say. */
  platform?: Platform | undefined;
  descriptor: Descriptor;
  manifest: Manifest;
}

/** An artifact that an earlier conversion left in the registry. */
export interface Artifact {
  reference: Reference;
  /** Digest of its manifest or index. */
  digest: string;
  /** Whether it is an index. */
  index: boolean;
  /** Those that the index names as far as they are there, or the one manifest. */
  manifests: ArtifactManifest[];
  /** Annotations of the manifest or index. */
  annotations: Record<string, string>;
}

/** Reads what a reference names now, or undefined where there is nothing. It need not be an artifact of ours. */
export async function readArtifact(
  reference: Reference,
  { registry, ...call }: TargetOptions,
): Promise<Artifact | undefined> {
  const read = async (ref: Reference) => {
    try {
      return await registry.manifest(ref, call);
    } catch (error) {
      if (error instanceof RegistryError && NO_ARTIFACT.includes(error.kind)) {
        return undefined;
      }
      throw error;
    }
  };
  return explained('target', `look for an earlier artifact at ${formatReference(reference)}`, async () => {
    const found = await read(reference);
    if (found === undefined) {
      return undefined;
    }
    const { descriptor, manifest } = found;
    const annotations = manifest.annotations ?? {};
    if (!isIndex(manifest)) {
      return { reference, digest: descriptor.digest, index: false, annotations, manifests: [{ descriptor, manifest }] };
    }
    const index = manifest;
    const entries = await Promise.all(index.manifests.map((entry) => read({ ...reference, digest: entry.digest })));
    const manifests = entries.flatMap((entry, i) =>
      entry === undefined || isIndex(entry.manifest)
        ? []
        : [{ platform: index.manifests[i]?.platform, descriptor: entry.descriptor, manifest: entry.manifest }],
    );
    return { reference, digest: descriptor.digest, index: true, annotations, manifests };
  });
}

/**
 * The platforms of an artifact that is the very one that converting the source with these options makes, or undefined if
 * it is another one.
 */
export function matchArtifact(artifact: Artifact, source: Source, optionsHash: string): PlatformResult[] | undefined {
  const sourceDigest = artifact.index ? source.digest : source.images[0]?.descriptor.digest;
  const converted = artifact.manifests.filter(({ manifest }) => manifest.annotations?.[OPTIONS_ANNOTATION]);
  if (!isMadeFrom(artifact.annotations, sourceDigest, optionsHash) || converted.length !== source.images.length) {
    return undefined;
  }
  const platforms = source.images.flatMap((image) => {
    const { digest } = image.descriptor;
    const made = converted.find(({ manifest }) => isMadeFrom(manifest.annotations ?? {}, digest, optionsHash));
    const kept = artifact.manifests.some(({ descriptor }) => descriptor.digest === digest);
    return made === undefined || (isIndexed(made.manifest) && !kept)
      ? []
      : [platformResult(image.name, image.descriptor.digest, made)];
  });
  return platforms.length === source.images.length ? platforms : undefined;
}

/** What the result says of one manifest of an artifact. */
export function platformResult(
  platform: string,
  sourceDigest: string,
  { descriptor, manifest }: ArtifactManifest,
): PlatformResult {
  const bootstrap = manifest.layers.find((layer) => layer.annotations?.[BOOTSTRAP_ANNOTATION] !== undefined);
  const size = distinct(blobsOf(manifest)).reduce((sum, blob) => sum + blob.size, 0);
  return { platform, digest: descriptor.digest, sourceDigest, size, bootstrapSize: bootstrap?.size ?? 0 };
}

/** A layer of an earlier artifact. */
export interface ReusableLayer extends BlobLayer {
  /** The repository that it is in. */
  from: Repository;
}

/** What must be the same for a layer to be the same again. */
export interface Recipe {
  layerOptions: string;
  builder: string;
  /** Digest of the manifest that serves as chunk dictionary, if one does. */
  dictionary: string | undefined;
}

/** The layers of an artifact by the digest of the source layer, as far as they were made by the same recipe. */
export function reusableLayers(artifact: Artifact, recipe: Recipe): Map<string, ReusableLayer> {
  const layers = new Map<string, ReusableLayer>();
  for (const { descriptor, manifest } of artifact.manifests) {
    if (!isMadeBy(recipe, descriptor.digest, manifest)) {
      continue;
    }
    for (const { digest, size, annotations = {} } of manifest.layers) {
      const sourceDigest = annotations[SOURCE_LAYER_ANNOTATION];
      const isRegular = annotations[IRREGULAR_LAYER_ANNOTATION] === undefined;
      if (sourceDigest !== undefined && annotations[BLOB_ANNOTATION] !== undefined && isRegular) {
        layers.set(sourceDigest, { sourceDigest, digest, size, from: artifact.reference });
      }
    }
  }
  return layers;
}

/**
 * A layer may refer to blobs of the dictionary that it was made with, and the tree of the image can only name those of one: the
 * same that it was made with, or a version of the image that names all of them itself.
 */
function isMadeBy(
  { layerOptions, builder, dictionary }: Recipe,
  digest: string,
  { annotations = {} }: Manifest,
): boolean {
  const { [LAYER_OPTIONS_ANNOTATION]: options, [BUILDER_VERSION_ANNOTATION]: version } = annotations;
  const fits = annotations[DICTIONARY_ANNOTATION] === dictionary || digest === dictionary;
  return options === layerOptions && version === builder && fits;
}

/** Blobs of manifests that a repository does not have, or has with another size. */
export async function missingBlobs(
  repository: Repository,
  manifests: readonly Manifest[],
  { registry, ...call }: TargetOptions,
): Promise<Descriptor[]> {
  const blobs = distinct(manifests.flatMap(blobsOf));
  const limit = pLimit(PARALLEL);
  const sizes = await limit.map(blobs, (blob) => registry.blobExists(repository, blob.digest, call));
  return blobs.filter((blob, i) => sizes[i] !== blob.size);
}

function blobsOf(manifest: Manifest): Descriptor[] {
  return [manifest.config, ...manifest.layers];
}

function distinct(blobs: Descriptor[]): Descriptor[] {
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

/** Whether the data is in the layers of the source. */
function isIndexed({ layers }: Manifest): boolean {
  return layers.some(({ annotations }) => annotations?.[REFERENCE_ANNOTATION] !== undefined);
}

function isMadeFrom(
  annotations: Record<string, string>,
  sourceDigest: string | undefined,
  optionsHash: string,
): boolean {
  return annotations[SOURCE_DIGEST_ANNOTATION] === sourceDigest && annotations[OPTIONS_ANNOTATION] === optionsHash;
}
