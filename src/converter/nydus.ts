import type { Format } from './options.ts';

/**
 * Names of the Nydus image format, as nydusify and the converter of nydus-snapshotter write them
 * (containerd/nydus-snapshotter pkg/converter/constant.go, goharbor/acceleration-service pkg/driver/nydus/nydus.go).
 */

/** A RAFS blob: chunk data, its own tree and a table of contents. One per layer of the source. */
export const BLOB_LAYER_TYPE = 'application/vnd.oci.image.layer.nydus.blob.v1';

/** The last layer: a tar with the tree of the whole image. */
export const BOOTSTRAP_LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** On an entry of an index: the manifest is a Nydus image. Stands where `os.features` stood until 2025. */
export const ARTIFACT_TYPE = 'application/vnd.nydus.image.manifest.v1+json';

/** Config of a Nydus manifest that is merged into the index of its source. */
export const MERGED_CONFIG_TYPE = 'application/vnd.nydus.image.config.v1+json';

export const BLOB_ANNOTATION = 'containerd.io/snapshot/nydus-blob';
export const BOOTSTRAP_ANNOTATION = 'containerd.io/snapshot/nydus-bootstrap';
export const FS_VERSION_ANNOTATION = 'containerd.io/snapshot/nydus-fs-version';
/** On a blob layer that holds an index only: the digest of the layer of the source in which the data is (nydus-snapshotter pkg/label). */
export const REFERENCE_ANNOTATION = 'containerd.io/snapshot/nydus-ref';
export const SOURCE_DIGEST_ANNOTATION = 'containerd.io/snapshot/nydus-source-digest';
export const SOURCE_REFERENCE_ANNOTATION = 'containerd.io/snapshot/nydus-source-reference';
export const BUILDER_VERSION_ANNOTATION = 'containerd.io/snapshot/nydus-builder-version';

/** Raised when layers or artifacts are made in another way, so that older ones must be made again. */
export const PIPELINE_VERSION = 2;

/** RAFS version as nydus-image counts it. */
export type FsVersion = '5' | '6';

/** The RAFS version of a format of the API. */
export function fsVersionOf(format: Format): FsVersion {
  return format === 'RafsV5' ? '5' : '6';
}
