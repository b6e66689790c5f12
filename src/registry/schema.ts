import { z } from 'zod';
import { isDigest } from './digest.ts';

/** Media types of manifests and configs: OCI Image Specification v1.1, and Docker's Image Manifest V2 Schema 2. */
export const MEDIA_TYPES = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
} as const;

const MANIFEST_TYPES: readonly string[] = [MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest];
const INDEX_TYPES: readonly string[] = [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerManifestList];
const CONFIG_TYPES: readonly string[] = [MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig];

/** The four media types that a manifest is asked for with, most wanted first. */
export const ACCEPTED_TYPES: readonly string[] = [...INDEX_TYPES, ...MANIFEST_TYPES];

const Digest = z.string().refine(isDigest, { error: 'must be a sha256 digest' });
const Annotations = z.record(z.string(), z.string());

export const Platform = z.object({
  architecture: z.string(),
  os: z.string(),
  'os.version': z.string().optional(),
  'os.features': z.array(z.string()).optional(),
  variant: z.string().optional(),
});
export type Platform = z.infer<typeof Platform>;

/** OCI Content Descriptor; `size` in bytes. */
export const Descriptor = z.object({
  mediaType: z.string(),
  digest: Digest,
  size: z.int().min(0),
  annotations: Annotations.optional(),
  platform: Platform.optional(),
  artifactType: z.string().optional(),
});
export type Descriptor = z.infer<typeof Descriptor>;

/** OCI Image Manifest, or Docker's schema 2. */
export const Manifest = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.enum([MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest]).optional(),
  artifactType: z.string().optional(),
  config: Descriptor,
  layers: z.array(Descriptor),
  subject: Descriptor.optional(),
  annotations: Annotations.optional(),
});
export type Manifest = z.infer<typeof Manifest>;

/** OCI Image Index, or Docker's manifest list. */
export const Index = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.enum([MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerManifestList]).optional(),
  artifactType: z.string().optional(),
  manifests: z.array(Descriptor),
  subject: Descriptor.optional(),
  annotations: Annotations.optional(),
});
export type Index = z.infer<typeof Index>;

/** OCI Image Configuration. What Slipstream does not read is kept as it came, because converted images carry it on. */
export const ImageConfig = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
  config: z.looseObject({}).nullish(),
  rootfs: z.looseObject({ type: z.literal('layers'), diff_ids: z.array(Digest) }),
  history: z.array(z.looseObject({ empty_layer: z.boolean().optional() })).nullish(),
});
export type ImageConfig = z.infer<typeof ImageConfig>;

export function isIndex(document: Manifest | Index): document is Index {
  return 'manifests' in document;
}

/** Whether the manifest is of a container image, and not of another artifact such as a chart or a signature. */
export function isImageManifest(document: Manifest | Index): document is Manifest {
  return !isIndex(document) && CONFIG_TYPES.includes(document.config.mediaType);
}

/** Which of the two kinds of document a media type names, or undefined. */
export function documentKind(mediaType: string): 'manifest' | 'index' | undefined {
  if (MANIFEST_TYPES.includes(mediaType)) {
    return 'manifest';
  }
  return INDEX_TYPES.includes(mediaType) ? 'index' : undefined;
}
