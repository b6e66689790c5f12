import type { Credentials } from '../../registry/auth.ts';
import type { Document, RegistryClient } from '../../registry/client.ts';
import { RegistryError } from '../../registry/errors.ts';
import type { Reference, Repository } from '../../registry/reference.ts';
import { isIndex, MEDIA_TYPES } from '../../registry/schema.ts';
import type { Index, Manifest } from '../../registry/schema.ts';
import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { ARTIFACT_TYPE } from '../../converter/nydus.ts';
import { formatPlatform, parsePlatform } from '../../converter/platform.ts';
import { isNydus } from './adoption-pair.ts';

/** What a Nydus image says that it is in a list of referrers: its artifact type, or the type of its config. */
const REFERRER_TYPES: readonly (string | undefined)[] = [ARTIFACT_TYPE, MEDIA_TYPES.ociConfig, undefined];
/** Referrers that are looked at; signatures and attestations are of other types. */
const MAX_REFERRERS = 8;

/** Something in a registry, and how to read its repository. */
export interface Place {
  reference: Reference;
  credentials: Credentials | undefined;
}

/** A reference that no tag can turn into another image. */
export type Pinned = Reference & { digest: string };

/** What may be the artifact. */
export interface Found {
  from: NonNullable<NonNullable<AcceleratedImageStatus['artifact']>['adoptedFrom']>;
  reference: Pinned;
  root: Document;
}

/** Where to look. */
export interface Search {
  registry: RegistryClient;
  signal: AbortSignal;
  source: Place & { reference: Pinned };
  target: Place;
  /** Those of the source that count, with the digests of its manifests. */
  platforms: readonly { platform: string; digest: string }[];
}

/**
 * The Nydus image of a source: the source itself; else a referrer of it in the target's repository; else what the target's tag
 * names, whatever that is.
 * @returns undefined where there is none of the three.
 * @throws RegistryError as the registry client does.
 */
export async function findAdoptable(search: Search): Promise<Found | undefined> {
  return (await isSource(search)) ?? (await findReferrer(search)) ?? (await findTagged(search));
}

async function isSource({ registry, signal, source, platforms }: Search): Promise<Found | undefined> {
  const { reference, credentials } = source;
  const root = await registry.manifest(reference, { credentials, signal });
  const manifests = isIndex(root.manifest)
    ? await Promise.all(platforms.map(({ digest }) => readManifest(registry, source, digest, signal)))
    : [root.manifest];
  return manifests.every((manifest) => manifest !== undefined && isNydus(manifest))
    ? { from: 'Source', reference, root }
    : undefined;
}

/** One that names the whole source, or, where only one platform counts, its manifest for that. */
async function findReferrer({ registry, signal, source, target, platforms }: Search): Promise<Found | undefined> {
  const [single, ...others] = platforms;
  const { digest } = source.reference;
  const subjects = new Set([digest, ...(single === undefined || others.length > 0 ? [] : [single.digest])]);
  for (const subject of subjects) {
    const { credentials } = target;
    const referrers = await registry.referrers(target.reference, subject, { credentials, signal });
    const likely = referrers.filter(({ artifactType }) => REFERRER_TYPES.includes(artifactType));
    for (const referrer of likely.slice(0, MAX_REFERRERS)) {
      const reference = pinned(target.reference, referrer.digest);
      const root = await orUndefined(registry.manifest(reference, { credentials, signal }));
      if (root !== undefined && (await holdsNydus(root, registry, target, signal))) {
        return { from: 'Referrer', reference, root };
      }
    }
  }
  return undefined;
}

async function findTagged({ registry, signal, target }: Search): Promise<Found | undefined> {
  const { reference, credentials } = target;
  const root = await orUndefined(registry.manifest(reference, { credentials, signal }));
  return root === undefined
    ? undefined
    : { from: 'Tag', reference: { ...reference, digest: root.descriptor.digest }, root };
}

/**
 * The manifest that a node of a platform pulls by an index: the first entry for it. A manifest without an index is for any.
 * @returns undefined where the index has none.
 */
export function entryFor({ manifest, descriptor }: Document, platform: string): string | undefined {
  return isIndex(manifest) ? entryOf(manifest, platform) : descriptor.digest;
}

/** Reads a manifest by its digest; undefined where there is none, or it is an index. */
export async function readManifest(
  registry: RegistryClient,
  { reference, credentials }: Place,
  digest: string,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  const found = await orUndefined(registry.manifest(pinned(reference, digest), { credentials, signal }));
  return found === undefined || isIndex(found.manifest) ? undefined : found.manifest;
}

/** What is read, or undefined where the registry does not have it. */
export async function orUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  return await reading.catch((error: unknown) => {
    if (error instanceof RegistryError && error.kind === 'NotFound') {
      return undefined;
    }
    throw error;
  });
}

async function holdsNydus(
  { manifest }: Document,
  registry: RegistryClient,
  place: Place,
  signal: AbortSignal,
): Promise<boolean> {
  if (!isIndex(manifest)) {
    return isNydus(manifest);
  }
  const [first] = manifest.manifests;
  const child = first === undefined ? undefined : await readManifest(registry, place, first.digest, signal);
  return child !== undefined && isNydus(child);
}

function entryOf({ manifests }: Index, platform: string): string | undefined {
  const wanted = formatPlatform(parsePlatform(platform));
  return manifests.find((entry) => entry.platform !== undefined && formatPlatform(entry.platform) === wanted)?.digest;
}

function pinned({ registry, repository }: Repository, digest: string): Pinned {
  return { registry, repository, digest };
}
