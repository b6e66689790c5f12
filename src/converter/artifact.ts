import pLimit from 'p-limit';
import { IRREGULAR_LAYER_ANNOTATION, OPTIONS_ANNOTATION, SOURCE_LAYER_ANNOTATION } from '../api/v1alpha1/labels.ts';
import type { Credentials } from '../registry/auth.ts';
import type { RegistryClient } from '../registry/client.ts';
import { RegistryError, type RegistryErrorKind } from '../registry/errors.ts';
import { formatReference, type Reference, type Repository } from '../registry/reference.ts';
import { isIndex, type Descriptor, type Manifest } from '../registry/schema.ts';
import { explained } from './errors.ts';
import type { BlobLayer } from './manifest.ts';
import {
  BLOB_ANNOTATION,
  BOOTSTRAP_ANNOTATION,
  BUILDER_VERSION_ANNOTATION,
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
  descriptor: Descriptor;
  manifest: Manifest;
}

/** An artifact that an earlier conversion left in the registry. */
export interface Artifact {
  reference: Reference;
  /** Digest of its manifest or index. */
  digest: string;
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
      return { reference, digest: descriptor.digest, annotations, manifests: [{ descriptor, manifest }] };
    }
    const entries = await Promise.all(manifest.manifests.map((entry) => read({ ...reference, digest: entry.digest })));
    const manifests = entries.flatMap((entry) =>
      entry === undefined || isIndex(entry.manifest)
        ? []
        : [{ descriptor: entry.descriptor, manifest: entry.manifest }],
    );
    return { reference, digest: descriptor.digest, annotations, manifests };
  });
}

/**
 * The platforms of an artifact that is the very one that converting the source with these options makes, or undefined if
 * it is another one.
 */
export function matchArtifact(artifact: Artifact, source: Source, optionsHash: string): PlatformResult[] | undefined {
  const single = source.images.length === 1 ? source.images[0] : undefined;
  const sourceDigest = single?.descriptor.digest ?? source.digest;
  if (
    !isMadeFrom(artifact.annotations, sourceDigest, optionsHash) ||
    artifact.manifests.length !== source.images.length
  ) {
    return undefined;
  }
  const platforms = source.images.flatMap((image) => {
    const made = artifact.manifests.find(({ manifest }) =>
      isMadeFrom(manifest.annotations ?? {}, image.descriptor.digest, optionsHash),
    );
    return made === undefined ? [] : [platformResult(image.name, image.descriptor.digest, made)];
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

/** The layers of an artifact by the digest of the source layer, if it was made with the same options and builder. */
export function reusableLayers(artifact: Artifact, optionsHash: string, builder: string): Map<string, ReusableLayer> {
  const layers = new Map<string, ReusableLayer>();
  for (const { manifest } of artifact.manifests) {
    const { [OPTIONS_ANNOTATION]: options, [BUILDER_VERSION_ANNOTATION]: version } = manifest.annotations ?? {};
    if (options !== optionsHash || version !== builder) {
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

function isMadeFrom(annotations: Record<string, string>, sourceDigest: string, optionsHash: string): boolean {
  return annotations[SOURCE_DIGEST_ANNOTATION] === sourceDigest && annotations[OPTIONS_ANNOTATION] === optionsHash;
}
