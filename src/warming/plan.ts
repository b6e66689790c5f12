import type { Config } from '../config.ts';
import { REFERENCE_ANNOTATION } from '../converter/nydus.ts';
import { wantedBytes } from '../dragonfly/pieces.ts';
import type { Blob, WarmImage } from '../dragonfly/provider.ts';
import type { Credentials } from '../registry/auth.ts';
import type { RegistryClient } from '../registry/client.ts';
import { RegistryError } from '../registry/errors.ts';
import { parseReference } from '../registry/reference.ts';
import type { Reference } from '../registry/reference.ts';
import { apiHost } from '../registry/reference.ts';
import { isIndex } from '../registry/schema.ts';
import type { Index, Manifest } from '../registry/schema.ts';
import { wantedBlobs } from './wanted.ts';

/** One image for one platform, as a new Pod will read it: exactly these blobs, and what they weigh. */
export interface PlannedImage {
  image: string;
  digest: string;
  platform: string;
  bytes: number;
  warm: WarmImage;
}

export interface PlanOptions {
  registry: RegistryClient;
  config: Pick<Config, 'registries'>;
  /** `os/architecture` of the nodes that the Pods may run on. */
  platforms: readonly string[];
  /** Whether only what artifacts list for prefetching is wanted of them. */
  listedOnly?: boolean;
  credentialsFor(reference: Reference): Promise<Credentials | undefined>;
  signal: AbortSignal;
}

/** It cannot be told which blobs an image is made of. The message says why; it holds no credentials and may go into a status. */
export class UnresolvableError extends Error {
  override name = 'UnresolvableError';
  /** Milliseconds to wait before trying again, where the registry said so. */
  readonly retryAfter: number | undefined;

  constructor(message: string, { retryAfter, cause }: { retryAfter?: number | undefined; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.retryAfter = retryAfter;
  }
}

/**
 * What to warm for a list of references: the platform's own manifest of each (never a tag, never an index, which would warm
 * other platforms and formats with it), its config and its layers; for a Zran index also those of the source.
 * @throws UnresolvableError, or what `credentialsFor` throws
 */
export async function planImages(images: readonly string[], options: PlanOptions): Promise<PlannedImage[]> {
  const planned = await Promise.all([...new Set(images)].map((image) => planImage(image, options)));
  return planned.flat();
}

async function planImage(image: string, options: PlanOptions): Promise<PlannedImage[]> {
  const reference = parseReference(image);
  try {
    const credentials = await options.credentialsFor(reference);
    const call = { credentials, signal: options.signal };
    const root = await options.registry.manifest(reference, call);
    const digests = isIndex(root.manifest)
      ? childrenFor(root.manifest, options.platforms)
      : [{ platform: options.platforms[0] ?? 'linux/amd64', digest: root.descriptor.digest }];
    if (digests.length === 0) {
      const offered = isIndex(root.manifest) ? root.manifest.manifests.map(platformOf).filter(Boolean) : [];
      throw new UnresolvableError(
        `${image} offers none of ${options.platforms.join(', ')}, but ${[...new Set(offered)].join(', ') || 'nothing'}`,
      );
    }
    const authorization = await options.registry.pullAuthorization(reference, call);
    const readManifest = async (digest: string): Promise<Manifest> => {
      const { manifest } = await options.registry.manifest({ ...reference, digest }, call);
      if (isIndex(manifest)) {
        throw new UnresolvableError(`${digest} of ${image} is an index inside an index, which no runtime can pull`);
      }
      return manifest;
    };
    const read = await Promise.all(
      digests.map(async ({ platform, digest }) => {
        const manifest = await readManifest(digest);
        const source = sourceOf(manifest);
        return [
          { platform, digest, manifest },
          ...(source === undefined ? [] : [{ platform, digest: source, manifest: await readManifest(source) }]),
        ];
      }),
    );
    return read.flat().map(({ platform, digest, manifest }) => {
      const base = repositoryUrl(reference, options.config);
      const blobs = wantedBlobs(manifest, options.listedOnly === true).map(({ digest: blob, ...wanted }): Blob => ({
        registry: reference.registry,
        repository: reference.repository,
        digest: blob,
        ...wanted,
        url: `${base}/blobs/${blob}`,
      }));
      const distinct = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
      return {
        image,
        digest,
        platform,
        bytes: distinct.reduce((sum, blob) => sum + wantedBytes(blob), 0),
        warm: {
          manifestUrl: `${base}/manifests/${digest}`,
          platform,
          blobs: distinct,
          ...(authorization === undefined ? {} : { authorization }),
        },
      };
    });
  } catch (error) {
    if (error instanceof RegistryError) {
      throw new UnresolvableError(error.message, { retryAfter: error.retryAfter, cause: error });
    }
    throw error;
  }
}

/** Digest of the manifest in whose layers the data is, where a manifest is only an index over them (Zran). */
function sourceOf({ layers, subject }: Manifest): string | undefined {
  const isIndexed = layers.some(({ annotations }) => annotations?.[REFERENCE_ANNOTATION] !== undefined);
  return isIndexed ? subject?.digest : undefined;
}

function childrenFor(index: Index, platforms: readonly string[]): { platform: string; digest: string }[] {
  return index.manifests.flatMap((child) => {
    const name = platformOf(child);
    return platforms.includes(name) ? [{ platform: name, digest: child.digest }] : [];
  });
}

function platformOf({ platform }: Index['manifests'][number]): string {
  return platform === undefined ? '' : `${platform.os}/${platform.architecture}`;
}

function repositoryUrl({ registry, repository }: Reference, { registries }: PlanOptions['config']): string {
  const plain = registries.find(({ host }) => host === registry)?.plainHTTP === true;
  return `${plain ? 'http' : 'https'}://${apiHost(registry)}/v2/${repository}`;
}
