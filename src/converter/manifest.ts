import {
  DICTIONARY_ANNOTATION,
  INSPECTION_ANNOTATION,
  IRREGULAR_LAYER_ANNOTATION,
  LAYER_OPTIONS_ANNOTATION,
  OPTIONS_ANNOTATION,
  PREFETCH_RANGES_ANNOTATION,
  SOURCE_LAYER_ANNOTATION,
} from '../api/v1alpha1/labels.ts';
import type { InspectionStatus } from '../api/v1alpha1/inspection.ts';
import { formatRanges, type ByteRange } from '../rafs/ranges.ts';
import { digestOf } from '../registry/digest.ts';
import { MEDIA_TYPES, type Descriptor, type ImageConfig, type Manifest, type Platform } from '../registry/schema.ts';
import {
  ARTIFACT_TYPE,
  BLOB_ANNOTATION,
  BLOB_LAYER_TYPE,
  BOOTSTRAP_ANNOTATION,
  BOOTSTRAP_LAYER_TYPE,
  BUILDER_VERSION_ANNOTATION,
  FS_VERSION_ANNOTATION,
  REFERENCE_ANNOTATION,
  SOURCE_DIGEST_ANNOTATION,
  SOURCE_REFERENCE_ANNOTATION,
  type FsVersion,
} from './nydus.ts';

/** A document and the descriptor to push and name it by. */
export interface Document {
  descriptor: Descriptor;
  body: Buffer;
}

/** A manifest to push. */
export interface ManifestDocument extends Document {
  manifest: Manifest;
}

/** A layer of the source as a RAFS blob in the target's repository. */
export interface BlobLayer {
  /** Digest of the layer that it was made from. */
  sourceDigest: string;
  digest: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of its table of contents in hex; a RAFS v5 blob has none. */
  toc?: string | undefined;
  /** Whether its contents must be known to merge it, so that it cannot be taken over. */
  irregular?: boolean;
}

/** What the layers of an artifact are. */
export interface ArtifactLayers {
  /** One for each layer of the source, from the lowest up. */
  blobs: readonly BlobLayer[];
  /** Further blobs that the tree refers to: those of the chunk dictionary. */
  referred: readonly Pick<Descriptor, 'digest' | 'size'>[];
  /** Whether the blobs hold only an index over the layers of the source (Zran). */
  indexed: boolean;
  /** What of the blobs is to be prefetched, by their digests; may reach beyond their ends. */
  prefetch: ReadonlyMap<string, readonly ByteRange[]>;
  bootstrap: BootstrapLayer;
  /** What was found in the source. */
  inspection?: InspectionStatus | undefined;
}

/** The bootstrap layer. */
export interface BootstrapLayer {
  digest: string;
  /** Bytes, compressed. */
  size: number;
  /** Digest of the uncompressed tar. */
  diffID: string;
}

/** What an artifact says of its own making. */
export interface Provenance {
  /** The source as it was asked for. */
  sourceReference: string;
  fsVersion: FsVersion;
  builder: string;
  optionsHash: string;
  layerOptions: string;
  /** Digest of the manifest that served as chunk dictionary. */
  dictionary?: string | undefined;
}

/**
 * The source's config with the artifact's layers. Everything else is kept as it came, so that the container runs as before.
 * The blobs are their own diff IDs: they are not compressed as a whole.
 */
export function buildConfig(source: ImageConfig, { blobs, referred, bootstrap }: ArtifactLayers): Document {
  const config = {
    ...source,
    rootfs: { type: 'layers', diff_ids: [...[...blobs, ...referred].map((blob) => blob.digest), bootstrap.diffID] },
    history: [...(source.history ?? []), { created_by: 'Nydus Converter', comment: 'Nydus Bootstrap Layer' }],
  };
  return document(MEDIA_TYPES.ociConfig, config);
}

/**
 * The artifact's manifest of one platform, as nydusify writes it (acceleration-service pkg/driver/nydus/nydus.go with
 * `docker2oci` and `with_referrer`), with annotations of our own that say what it was made with.
 * @param subject descriptor of the source's manifest.
 */
export function buildManifest(
  config: Descriptor,
  { blobs, referred, indexed, prefetch, bootstrap, inspection }: ArtifactLayers,
  subject: Descriptor,
  provenance: Provenance,
): ManifestDocument {
  const { fsVersion } = provenance;
  const prefetchRanges = ({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Record<string, string> => {
    const ranges = prefetch.get(digest) ?? [];
    const within = ranges.map(({ offset, length }) => ({ offset, length: Math.min(length, size - offset) }));
    return within.length === 0 ? {} : { [PREFETCH_RANGES_ANNOTATION]: formatRanges(within) };
  };
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config,
    layers: [
      ...blobs.map(({ sourceDigest, digest, size, irregular = false }) => ({
        mediaType: BLOB_LAYER_TYPE,
        digest,
        size,
        annotations: {
          [BLOB_ANNOTATION]: 'true',
          [SOURCE_LAYER_ANNOTATION]: sourceDigest,
          ...(indexed ? { [REFERENCE_ANNOTATION]: sourceDigest } : {}),
          ...(irregular ? { [IRREGULAR_LAYER_ANNOTATION]: 'true' } : {}),
          ...prefetchRanges({ digest, size }),
        },
      })),
      ...referred.map(({ digest, size }) => ({
        mediaType: BLOB_LAYER_TYPE,
        digest,
        size,
        annotations: { [BLOB_ANNOTATION]: 'true', ...prefetchRanges({ digest, size }) },
      })),
      {
        mediaType: BOOTSTRAP_LAYER_TYPE,
        digest: bootstrap.digest,
        size: bootstrap.size,
        annotations: { [BOOTSTRAP_ANNOTATION]: 'true', [FS_VERSION_ANNOTATION]: fsVersion },
      },
    ],
    // Registries such as ECR refuse a subject with a platform.
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    annotations: {
      ...annotations(subject.digest, provenance),
      ...(inspection === undefined ? {} : { [INSPECTION_ANNOTATION]: JSON.stringify(inspection) }),
    },
  };
  return { ...document(MEDIA_TYPES.ociManifest, manifest), manifest };
}

/** As BuildKit has it for attestations: runtimes, which look for their own platform, pass it by. */
const NO_PLATFORM: Platform = { architecture: 'unknown', os: 'unknown' };

/**
 * The index of an artifact, for several platforms or with manifests that it keeps. Every entry has a platform: nydus-snapshotter
 * fails on one without.
 * @param kept manifests that nobody runs from here, but that a registry must not collect as long as the artifact is there.
 * @param sourceDigest what the source's reference resolved to.
 */
export function buildIndex(
  entries: readonly { descriptor: Descriptor; platform: Platform }[],
  kept: readonly Descriptor[],
  sourceDigest: string,
  provenance: Provenance,
): Document {
  return document(MEDIA_TYPES.ociIndex, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: [
      ...entries.map(({ descriptor: { mediaType, digest, size }, platform }) => ({
        mediaType,
        digest,
        size,
        platform,
        artifactType: ARTIFACT_TYPE,
      })),
      ...kept.map(({ mediaType, digest, size }) => ({ mediaType, digest, size, platform: NO_PLATFORM })),
    ],
    annotations: annotations(sourceDigest, provenance),
  });
}

function annotations(sourceDigest: string, provenance: Provenance): Record<string, string> {
  const { sourceReference, fsVersion, builder, optionsHash, layerOptions, dictionary } = provenance;
  return {
    [BUILDER_VERSION_ANNOTATION]: builder,
    [FS_VERSION_ANNOTATION]: fsVersion,
    [SOURCE_DIGEST_ANNOTATION]: sourceDigest,
    [SOURCE_REFERENCE_ANNOTATION]: sourceReference,
    [OPTIONS_ANNOTATION]: optionsHash,
    [LAYER_OPTIONS_ANNOTATION]: layerOptions,
    ...(dictionary === undefined ? {} : { [DICTIONARY_ANNOTATION]: dictionary }),
  };
}

function document(mediaType: string, content: unknown): Document {
  const body = Buffer.from(JSON.stringify(content));
  return { descriptor: { mediaType, digest: digestOf(body), size: body.length }, body };
}
