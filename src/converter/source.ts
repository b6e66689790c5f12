import type { Credentials } from '../registry/auth.ts';
import type { Document, RegistryClient } from '../registry/client.ts';
import { formatReference, type Reference } from '../registry/reference.ts';
import { RegistryError } from '../registry/errors.ts';
import {
  isImageManifest,
  isIndex,
  type Descriptor,
  type ImageConfig,
  type Index,
  type Manifest,
  type Platform,
} from '../registry/schema.ts';
import { ConvertError, explain, explained } from './errors.ts';
import { ARTIFACT_TYPE, BOOTSTRAP_ANNOTATION, MERGED_CONFIG_TYPE } from './nydus.ts';
import { formatPlatform, parsePlatform, samePlatform } from './platform.ts';

/** Layers that are in the registry and hold a tar: OCI's and Docker's, compressed or not. */
const LAYER_TYPES =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.diff\.tar(?:\.(?:gzip|zstd))?)$/;

/** One platform of the image to convert. */
export interface SourceImage {
  /** As it was asked for. */
  name: string;
  platform: Platform;
  /** Descriptor of the platform's manifest, without a platform. */
  descriptor: Descriptor;
  manifest: Manifest;
  /** The manifest as it came. */
  body: Buffer;
  config: ImageConfig;
}

/** What the source's reference resolved to. */
export interface Source {
  /** Digest of a manifest, or of an index. */
  digest: string;
  images: SourceImage[];
}

export interface SourceOptions {
  registry: RegistryClient;
  credentials?: Credentials | undefined;
  signal: AbortSignal;
}

/**
 * Resolves the source and the manifest and config of every wanted platform.
 * @throws ConvertError: SourceNotFound, SourceNotAnImage, PlatformMissing, CredentialsRejected, RateLimited,
 *   RegistryUnreachable.
 */
export async function resolveSource(reference: Reference, wanted: string[], options: SourceOptions): Promise<Source> {
  const { descriptor, body, manifest } = await fetchManifest(reference, options);
  if (!isIndex(manifest)) {
    const image = await readImage(reference, { descriptor, body, manifest }, options);
    const [name] = wanted;
    if (name === undefined || wanted.length > 1 || !samePlatform(parsePlatform(name), image.platform)) {
      throw platformMissing(reference, wanted, [image.platform]);
    }
    return { digest: descriptor.digest, images: [{ ...image, name }] };
  }
  const chosen = choosePlatforms(reference, manifest, wanted);
  const images = await Promise.all(
    chosen.map(async ({ name, entry, platform }) => {
      const {
        descriptor: child,
        body: bytes,
        manifest: document,
      } = await fetchManifest({ ...reference, digest: entry.digest }, options);
      if (isIndex(document)) {
        throw notAnImage(reference, `its entry for ${name} is another index`);
      }
      const image = await readImage(reference, { descriptor: child, body: bytes, manifest: document }, options);
      return { ...image, name, platform };
    }),
  );
  return { digest: descriptor.digest, images };
}

interface Choice {
  name: string;
  entry: Descriptor;
  platform: Platform;
}

/** The entry of an index for every wanted platform: the first one that is no Nydus image of an earlier conversion. */
function choosePlatforms(reference: Reference, index: Index, wanted: string[]): Choice[] {
  const entries = index.manifests.filter((entry) => entry.artifactType !== ARTIFACT_TYPE);
  return wanted.map((name) => {
    const platform = parsePlatform(name);
    const entry = entries.find((e) => e.platform !== undefined && samePlatform(e.platform, platform));
    if (entry?.platform === undefined) {
      throw platformMissing(
        reference,
        wanted,
        entries.flatMap((e) => e.platform ?? []),
      );
    }
    return { name, entry, platform: entry.platform };
  });
}

async function readImage(
  reference: Reference,
  { descriptor, body, manifest }: Document & { manifest: Manifest },
  options: SourceOptions,
): Promise<Omit<SourceImage, 'name'>> {
  const { mediaType, digest, size } = descriptor;
  const { mediaType: configType } = manifest.config;
  if (configType === MERGED_CONFIG_TYPE || manifest.layers.some(isBootstrap)) {
    throw notAnImage(reference, 'it is a Nydus image already, which the mode Adopt brings into use');
  }
  if (!isImageManifest(manifest)) {
    throw notAnImage(reference, `its config is of type ${configType}`);
  }
  for (const layer of manifest.layers) {
    if (!LAYER_TYPES.test(layer.mediaType)) {
      throw new ConvertError(
        'ConversionFailed',
        `layer ${layer.digest} of ${formatReference(reference)} is of type ${layer.mediaType}, which cannot be converted`,
      );
    }
  }
  if (manifest.layers.length === 0) {
    throw new ConvertError(
      'ConversionFailed',
      `${formatReference(reference)} has no layers: there is nothing to convert`,
    );
  }
  const config = await readConfig(reference, manifest.config, options);
  const { architecture, os, variant } = config;
  return {
    platform: variant === undefined || variant === '' ? { architecture, os } : { architecture, os, variant },
    descriptor: { mediaType, digest, size },
    manifest,
    body,
    config,
  };
}

async function readConfig(
  reference: Reference,
  descriptor: Descriptor,
  { registry, ...call }: SourceOptions,
): Promise<ImageConfig> {
  try {
    return await registry.imageConfig(reference, descriptor, call);
  } catch (error) {
    if (error instanceof RegistryError && (error.kind === 'Invalid' || error.kind === 'TooLarge')) {
      throw notAnImage(reference, error.message, error);
    }
    throw explain(error, 'source', `read the config of ${formatReference(reference)}`);
  }
}

async function fetchManifest(reference: Reference, { registry, ...call }: SourceOptions): Promise<Document> {
  return explained('source', `read ${formatReference(reference)}`, () => registry.manifest(reference, call));
}

function isBootstrap(layer: Descriptor): boolean {
  return layer.annotations?.[BOOTSTRAP_ANNOTATION] !== undefined;
}

function notAnImage(reference: Reference, why: string, cause?: unknown): ConvertError {
  return new ConvertError(
    'SourceNotAnImage',
    `${formatReference(reference)} is no container image to convert: ${why}`,
    {
      cause,
    },
  );
}

function platformMissing(reference: Reference, wanted: string[], offered: Platform[]): ConvertError {
  const known = offered.filter(({ os }) => os !== 'unknown').map(formatPlatform);
  const message = `${formatReference(reference)} does not offer ${wanted.join(', ')}; it offers ${known.join(', ') || 'none'}`;
  return new ConvertError('PlatformMissing', message);
}
