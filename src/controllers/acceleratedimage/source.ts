import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { Credentials } from '../../registry/auth.ts';
import type { RegistryClient } from '../../registry/client.ts';
import { formatReference } from '../../registry/reference.ts';
import type { Reference } from '../../registry/reference.ts';
import { isImageManifest, isIndex } from '../../registry/schema.ts';
import type { Index, Manifest } from '../../registry/schema.ts';
import { stalled } from '../reconcile-error.ts';

type ResolvedSource = NonNullable<AcceleratedImageStatus['source']>;
type SourcePlatform = NonNullable<ResolvedSource['platforms']>[number];

export interface SourceRequest {
  reference: Reference;
  /** What the user asked for; undefined means `nodePlatforms`, as far as the source offers them. */
  wanted: readonly string[] | undefined;
  nodePlatforms: readonly string[];
  credentials: Credentials | undefined;
  signal: AbortSignal;
}

/**
 * Reads the manifests behind a digest that was resolved: which of its platforms to convert, and how big they are.
 * @throws ReconcileError SourceNotAnImage, PlatformMissing; RegistryError as the registry client does.
 */
export async function describeSource(
  registry: RegistryClient,
  digest: string,
  request: SourceRequest,
): Promise<SourcePlatform[]> {
  const call = { credentials: request.credentials, signal: request.signal };
  const pinned = { registry: request.reference.registry, repository: request.reference.repository, digest };
  const root = await registry.manifest(pinned, call);
  const name = formatReference(request.reference);
  if (!isIndex(root.manifest)) {
    const platform = await platformOfConfig(registry, pinned, root.manifest, name, call);
    return [describe(choose([platform], request, name)[0] ?? platform, digest, root.manifest)];
  }
  const children = platformsOfIndex(root.manifest);
  const chosen = choose([...children.keys()], request, name);
  return await Promise.all(
    chosen.map(async (platform) => {
      const child = children.get(platform) ?? '';
      const { manifest } = await registry.manifest({ ...pinned, digest: child }, call);
      if (isIndex(manifest) || !isImageManifest(manifest)) {
        throw stalled(
          Reason.SourceNotAnImage,
          `${name}: the entry for ${platform} (${child}) is not an image manifest`,
        );
      }
      return describe(platform, child, manifest);
    }),
  );
}

/** Platform → digest of the children that are images; attestations (`unknown/unknown`) and other artifacts are left out. */
function platformsOfIndex(index: Index): Map<string, string> {
  const children = new Map<string, string>();
  for (const { platform, digest, artifactType } of index.manifests) {
    if (platform !== undefined && platform.os !== 'unknown' && artifactType === undefined) {
      const name = [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');
      children.set(normalise(name), children.get(normalise(name)) ?? digest);
    }
  }
  return children;
}

/** linux/arm64/v8 is how arm64 is spelt by most builders: the same platform (OCI Image Index, "variant"). */
function normalise(platform: string): string {
  return platform === 'linux/arm64/v8' ? 'linux/arm64' : platform;
}

function choose(offered: readonly string[], { wanted, nodePlatforms }: SourceRequest, name: string): string[] {
  const asked = wanted ?? nodePlatforms;
  const chosen = offered.filter((platform) => asked.includes(platform));
  const missing = wanted?.filter((platform) => !offered.includes(platform)) ?? [];
  if (missing.length > 0 || chosen.length === 0) {
    throw stalled(
      Reason.PlatformMissing,
      `${name} offers ${offered.join(', ') || 'no platform'}; wanted: ${asked.join(', ') || "the platforms of the cluster's nodes, of which there are none"}`,
    );
  }
  return chosen;
}

async function platformOfConfig(
  registry: RegistryClient,
  repository: Reference,
  manifest: Manifest,
  name: string,
  call: { credentials: Credentials | undefined; signal: AbortSignal },
): Promise<string> {
  const { mediaType } = manifest.config;
  if (!isImageManifest(manifest)) {
    throw stalled(Reason.SourceNotAnImage, `${name} is not a container image: its config is of type ${mediaType}`);
  }
  const config = await registry.imageConfig(repository, manifest.config, call);
  return normalise([config.os, config.architecture, config.variant].filter(Boolean).join('/'));
}

function describe(platform: string, digest: string, manifest: Manifest): SourcePlatform {
  return {
    platform,
    digest,
    size: manifest.config.size + manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
    layers: manifest.layers.length,
  };
}
