import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Extract } from 'tar-stream';
import { formatReference } from '../registry/reference.ts';
import type { Descriptor } from '../registry/schema.ts';
import { formatPlatform } from './platform.ts';
import type { Artifact, ArtifactManifest } from './artifact.ts';
import { ConvertError, explained } from './errors.ts';
import { callOptions, type ConversionJob, type Endpoint } from './job.ts';
import {
  BLOB_ANNOTATION,
  BOOTSTRAP_ANNOTATION,
  BUILDER_VERSION_ANNOTATION,
  FS_VERSION_ANNOTATION,
  REFERENCE_ANNOTATION,
  type FsVersion,
} from './nydus.ts';
import { majorOf } from './nydusimage.ts';
import type { SourceImage } from './source.ts';
import { chunkTableName } from './tree.ts';

/** Most blobs that one tree can name: nydus-image counts them in a byte. */
const BLOBS_MAX = 255;

/** Bytes of a dictionary's tree and of its chunk tables together: those of an image with hundreds of millions of chunks. */
const BOOTSTRAP_MAX = 1 << 30;

/** An image whose chunks are not stored a second time: what is new refers to them where they are. */
export interface Dictionary {
  /** Digest of its manifest. */
  digest: string;
  /** Where its blobs are. */
  from: Endpoint;
  /** File of its tree, which lists the chunks. */
  bootstrap: string;
  /** Its blobs by hex digest, as trees name them. */
  blobs: ReadonlyMap<string, Descriptor>;
}

/**
 * The manifest of an artifact that can serve as dictionary for an image: the one for its platform.
 * @returns undefined where the artifact has none for the platform: then the image does without.
 */
export function manifestFor(artifact: Artifact, image: SourceImage): ArtifactManifest | undefined {
  const [single, ...others] = artifact.manifests;
  if (single !== undefined && others.length === 0 && single.platform === undefined) {
    return single;
  }
  const wanted = formatPlatform(image.platform);
  return artifact.manifests.find(({ platform }) => platform !== undefined && formatPlatform(platform) === wanted);
}

/**
 * Why the chunks of a manifest's image cannot serve an image of so many layers, or undefined where they can.
 * @param builder version of nydus-image that converts.
 */
export function unusable(
  { manifest }: ArtifactManifest,
  layers: number,
  fsVersion: FsVersion,
  builder: string,
): string | undefined {
  const bootstrap = bootstrapOf(manifest.layers);
  if (bootstrap === undefined) {
    return 'it is no Nydus image';
  }
  if (manifest.layers.some((layer) => layer.annotations?.[REFERENCE_ANNOTATION] !== undefined)) {
    return 'it is a Zran index, whose chunks lie in the layers of another image';
  }
  const version = bootstrap.annotations?.[FS_VERSION_ANNOTATION];
  if (version !== undefined && version !== fsVersion) {
    return `it is of RAFS version ${version}, and this conversion makes version ${fsVersion}`;
  }
  const madeBy = manifest.annotations?.[BUILDER_VERSION_ANNOTATION];
  const [theirs, ours] = [majorOf(madeBy ?? ''), majorOf(builder)];
  if (theirs !== undefined && ours !== undefined && theirs !== ours) {
    return `nydus-image ${madeBy} made it, and ${builder} cannot read what another major version made`;
  }
  const blobs = dataBlobs(manifest.layers).length + layers;
  if (blobs > BLOBS_MAX) {
    return `with its blobs the artifact might have ${blobs}, and a tree names at most ${BLOBS_MAX}`;
  }
  return undefined;
}

/**
 * Brings a dictionary's tree to the disk, and its chunk tables beside those of the layers.
 * @param path file to write.
 * @throws ConvertError DictionaryUnusable where the bytes are no tree.
 */
export async function openDictionary(
  { descriptor, manifest }: ArtifactManifest,
  from: Endpoint,
  path: string,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<Dictionary> {
  const name = formatReference({ ...from.reference, digest: descriptor.digest });
  const layer = bootstrapOf(manifest.layers);
  if (layer === undefined) {
    throw dictionaryUnusable(name, 'it is no Nydus image');
  }
  const blobs = dataBlobs(manifest.layers);
  const tables = new Map(
    blobs.map(({ digest }) => [`image/${chunkTableName(digest)}`, `${job.trees}/${chunkTableName(digest)}`]),
  );
  const files = new Map([...tables, ['image/image.boot', path]]);
  const stream = await explained('target', `read the tree of ${name}`, () =>
    job.registry.blob(from.reference, layer, callOptions(from, signal)),
  );
  const found = await unpack(stream, files, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    throw dictionaryUnusable(name, error instanceof Error ? error.message : String(error), error);
  });
  if (!found.has(path)) {
    throw dictionaryUnusable(name, 'its last layer holds no image.boot');
  }
  if ((await fsVersionOfFile(path)) !== job.fsVersion) {
    throw dictionaryUnusable(name, `its tree is not one of RAFS version ${job.fsVersion}`);
  }
  const byHex = blobs.map((blob) => [blob.digest.slice(blob.digest.indexOf(':') + 1), blob] as const);
  return { digest: descriptor.digest, from, bootstrap: path, blobs: new Map(byHex) };
}

/** The error for a dictionary that was asked for by name. */
export function dictionaryUnusable(name: string, why: string, cause?: unknown): ConvertError {
  return new ConvertError(
    'DictionaryUnusable',
    `${name} cannot serve as chunk dictionary: ${why}. Name another one, or leave chunkDictionary out`,
    { cause },
  );
}

function bootstrapOf(layers: readonly Descriptor[]): Descriptor | undefined {
  return layers.find((layer) => layer.annotations?.[BOOTSTRAP_ANNOTATION] !== undefined);
}

function dataBlobs(layers: readonly Descriptor[]): Descriptor[] {
  const blobs = layers.filter((layer) => layer.annotations?.[BLOB_ANNOTATION] !== undefined);
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

/** Takes files out of a bootstrap layer. @returns the paths that were written. */
async function unpack(stream: Readable, files: ReadonlyMap<string, string>, signal: AbortSignal): Promise<Set<string>> {
  const tar = extract();
  const fed = pipeline(stream, createGunzip(), tar, { signal });
  // Its failure may be no more than the end of the other, which tells more.
  fed.catch(() => undefined);
  const written = await take(tar, files, signal);
  await fed;
  return written;
}

async function take(tar: Extract, files: ReadonlyMap<string, string>, signal: AbortSignal): Promise<Set<string>> {
  const written = new Set<string>();
  let left = BOOTSTRAP_MAX;
  for await (const entry of tar) {
    left -= entry.header.size ?? 0;
    if (left < 0) {
      throw new Error(`its tree is bigger than ${BOOTSTRAP_MAX} bytes`);
    }
    const path = files.get(entry.header.name);
    if (path === undefined) {
      entry.resume();
    } else {
      await pipeline(entry, createWriteStream(path, { mode: 0o600 }), { signal });
      written.add(path);
    }
  }
  return written;
}

/** RAFS v6 is an EROFS image, with its magic number in the superblock at 1024; v5 starts with `RAFS`. */
async function fsVersionOfFile(path: string): Promise<FsVersion | undefined> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1028), 0, 1028, 0);
  if (bytesRead >= 4 && buffer.readUInt32LE(0) === 0x52414653) {
    return '5';
  }
  return bytesRead === 1028 && buffer.readUInt32LE(1024) === 0xe0f5e1e2 ? '6' : undefined;
}
