import { isDeepStrictEqual } from 'node:util';
import { SOURCE_LAYER_ANNOTATION } from '../../api/v1alpha1/labels.ts';
import {
  BLOB_ANNOTATION,
  BOOTSTRAP_ANNOTATION,
  BUILDER_VERSION_ANNOTATION,
  SOURCE_DIGEST_ANNOTATION,
} from '../../converter/nydus.ts';
import { formatPlatform } from '../../converter/platform.ts';
import type { Descriptor, ImageConfig, Manifest } from '../../registry/schema.ts';

/** What converters write in the history for the bootstrap layer, which their source does not have. */
const BOOTSTRAP_COMMENT = 'Nydus Bootstrap Layer';
const BUILDKIT_COMMENT = /^buildkit\./;
const SHOWN = 120;

/** One platform of an image. */
export interface Half {
  manifest: Manifest;
  config: ImageConfig;
}

/** Whether a manifest is of a Nydus image, as nydus-snapshotter tells it. */
export function isNydus({ layers }: Manifest): boolean {
  return bootstrapOf({ layers }) !== undefined;
}

/** The layer with the tree; the last one. */
export function bootstrapOf({ layers }: Pick<Manifest, 'layers'>): Descriptor | undefined {
  return layers.find(({ annotations }) => annotations?.[BOOTSTRAP_ANNOTATION] !== undefined);
}

/** The layers with data. */
export function blobsOf({ layers }: Pick<Manifest, 'layers'>): Descriptor[] {
  return layers.filter(({ annotations }) => annotations?.[BLOB_ANNOTATION] !== undefined);
}

/** Who built a Nydus image, as far as it says. */
export function builderOf({ manifest, config }: Half): string {
  const version = manifest.annotations?.[BUILDER_VERSION_ANNOTATION];
  const comments = (config.history ?? []).map(({ comment }) => (typeof comment === 'string' ? comment : ''));
  if (version !== undefined) {
    return version.slice(0, SHOWN);
  }
  if (comments.includes(BOOTSTRAP_COMMENT)) {
    return 'Nydus Converter';
  }
  return comments.some((comment) => BUILDKIT_COMMENT.test(comment)) ? 'BuildKit' : 'unknown';
}

/**
 * What tells that a Nydus image is not the twin of a source, the first of all such; undefined where they belong together: they
 * run alike, came about in the same steps at the same times, and have as many layers; and either the Nydus image names the source,
 * or those times are of a clock, which no other build has seen at the same nanosecond.
 * @param digests the source's own: of its manifest, and of the index that lists it.
 */
export function differenceOf(source: Half, nydus: Half, digests: readonly string[]): string | undefined {
  return (
    otherClaim(nydus.manifest, digests) ??
    otherPlatform(source.config, nydus.config) ??
    otherRun(source.config, nydus.config) ??
    otherSteps(source.config, nydus.config) ??
    otherLayers(source, nydus) ??
    nothingTies(source.config, nydus)
  );
}

/** The digests that a manifest says it was made from. */
function claimsOf({ annotations, subject }: Manifest): string[] {
  return [annotations?.[SOURCE_DIGEST_ANNOTATION], subject?.digest].filter((digest) => digest !== undefined);
}

function otherClaim(manifest: Manifest, digests: readonly string[]): string | undefined {
  const other = claimsOf(manifest).find((digest) => !digests.includes(digest));
  return other === undefined ? undefined : `it says that it was made from ${other}, not from ${digests.join(' or ')}`;
}

function otherPlatform(source: ImageConfig, nydus: ImageConfig): string | undefined {
  const [right, actual] = [formatPlatform(source), formatPlatform(nydus)];
  return right === actual ? undefined : `it is for ${actual}, the source for ${right}`;
}

/** `config` of the config: what a container of it runs, as whom, where and with what. */
function otherRun(source: ImageConfig, nydus: ImageConfig): string | undefined {
  const [right, actual] = [present(source.config ?? {}), present(nydus.config ?? {})];
  const key = [...new Set([...Object.keys(right), ...Object.keys(actual)])].find(
    (name) => !isDeepStrictEqual(right[name], actual[name]),
  );
  return key === undefined ? undefined : `its ${key} is ${shown(actual[key])}, that of the source ${shown(right[key])}`;
}

/** The times of the steps tell two builds of one Dockerfile from each other. */
function otherSteps(source: ImageConfig, nydus: ImageConfig): string | undefined {
  const right = (source.history ?? []).map(present);
  const actual = (nydus.history ?? []).filter(({ comment }) => comment !== BOOTSTRAP_COMMENT).map(present);
  if (right.length !== actual.length) {
    return `it was built in ${actual.length} steps, the source in ${right.length}`;
  }
  for (const [i, step] of right.entries()) {
    const key = ['created_by', 'created', 'empty_layer', 'author', 'comment'].find(
      (name) => !isDeepStrictEqual(step[name], actual[i]?.[name]),
    );
    if (key !== undefined) {
      return `in step ${i + 1} its ${key} is ${shown(actual[i]?.[key])}, that of the source ${shown(step[key])}`;
    }
  }
  const [created, own] = [source['created'], nydus['created']];
  return created === own ? undefined : `it was created at ${shown(own)}, the source at ${shown(created)}`;
}

/** Layer for layer, as far as the Nydus image says what its layers were made from. */
function otherLayers(source: Half, nydus: Half): string | undefined {
  const blobs = blobsOf(nydus.manifest);
  const right = source.manifest.layers;
  if (blobs.length < right.length) {
    return `it has ${blobs.length} layers with data, the source ${right.length}`;
  }
  const madeFrom = right.map((_, i) => blobs[i]?.annotations?.[SOURCE_LAYER_ANNOTATION]);
  const other = madeFrom.findIndex((digest, i) => digest !== undefined && digest !== right[i]?.digest);
  return other === -1
    ? undefined
    : `its layer ${other + 1} was made from ${madeFrom[other]}, that of the source is ${right[other]?.digest}`;
}

/** Builds that are to be reproducible are given one time, in whole seconds, for all that they make. */
function nothingTies(source: ImageConfig, { manifest }: Half): string | undefined {
  const { created } = source;
  const ofClock = typeof created === 'string' && /\.\d*[1-9]/.test(created);
  return ofClock || claimsOf(manifest).length > 0
    ? undefined
    : `nothing says that it was made from it. Both were created at ${shown(created)}, which is no time of a clock, so that ` +
        `another build may have it, too; the annotation ${SOURCE_DIGEST_ANNOTATION} or a subject has to name the source`;
}

/** Without what says nothing: Go programs write empty fields, or leave them out. */
function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) =>
        value !== null &&
        value !== undefined &&
        value !== '' &&
        value !== false &&
        !(typeof value === 'object' && Object.keys(value).length === 0),
    ),
  );
}

function shown(value: unknown): string {
  const text = value === undefined ? 'not set' : JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
