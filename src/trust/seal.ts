import { BOOTSTRAP_ANNOTATION } from '../converter/nydus.ts';
import { digestOf } from '../registry/digest.ts';
import { RegistryError } from '../registry/errors.ts';
import type { Document } from '../registry/client.ts';
import { formatReference, type Reference, type Repository } from '../registry/reference.ts';
import { isIndex, type Descriptor } from '../registry/schema.ts';
import { BOOTSTRAP_SIGNATURE_ANNOTATION, signBootstrap } from './bootstrap.ts';
import type { SigningKey } from './privatekey.ts';
import type { Access } from './read.ts';

/** An artifact by its digest and those of its platforms. */
export interface Sealable {
  digest: string;
  platforms: readonly { platform: string; digest: string }[];
}

/**
 * Writes nydus-snapshotter's signature onto the bootstrap layers of an artifact. Its manifests change by that, and so its digest:
 * they are pushed, and the tag is moved if it names the artifact. The same artifact and key make the same digests, so that
 * it may be done again after it broke off.
 * @param target the tag that names it.
 * @returns digest → new digest, of the artifact and of its platforms.
 * @throws RegistryError as the registry client does, or of kind Invalid for what is no artifact of Nydus.
 */
export async function seal(
  target: Reference,
  artifact: Sealable,
  key: SigningKey,
  access: Access & { signal: AbortSignal },
): Promise<Map<string, string>> {
  const place = { registry: target.registry, repository: target.repository };
  const digests = new Map<string, string>();
  const { registry, ...call } = access;
  const root = await registry.manifest({ ...place, digest: artifact.digest }, call);
  const sealed = new Map<string, Sealed>();
  for (const { digest } of artifact.platforms) {
    const document = digest === artifact.digest ? root : await registry.manifest({ ...place, digest }, call);
    sealed.set(digest, await sealManifest(document, place, key, access));
  }
  for (const [digest, manifest] of sealed) {
    digests.set(digest, manifest.digest);
    if (digest !== artifact.digest && digest !== manifest.digest) {
      await registry.pushManifest({ ...place, digest: manifest.digest }, manifest.body, manifest.mediaType, call);
    }
  }
  const top = sealed.get(artifact.digest) ?? sealIndex(root, sealed);
  if (top.digest !== artifact.digest) {
    const reference = await whatToMove(target, artifact.digest, top.digest, access);
    await registry.pushManifest(reference, top.body, top.mediaType, call);
  }
  return digests.set(artifact.digest, top.digest);
}

interface Sealed {
  digest: string;
  body: Buffer;
  mediaType: string;
}

async function sealManifest(
  { body, manifest, descriptor: { digest, mediaType } }: Document,
  place: Repository,
  key: SigningKey,
  { registry, signal, ...call }: Access & { signal: AbortSignal },
): Promise<Sealed> {
  const subject = formatReference({ ...place, digest });
  const isBootstrap = ({ annotations }: Descriptor): boolean => annotations?.[BOOTSTRAP_ANNOTATION] !== undefined;
  const at = isIndex(manifest) ? -1 : manifest.layers.findIndex(isBootstrap);
  const layer = isIndex(manifest) ? undefined : manifest.layers[at];
  if (layer === undefined) {
    throw new RegistryError('Invalid', `${subject} cannot be signed: it has no bootstrap layer`);
  }
  const stream = await registry.blob(place, layer, { ...call, signal });
  const signature = await signBootstrap(stream, key, `the bootstrap of ${subject}`, signal);
  // The document as it is, fields that no schema here names included.
  const raw = JSON.parse(body.toString('utf8')) as { layers: Descriptor[] };
  raw.layers = raw.layers.map((each, i) =>
    i === at ? { ...each, annotations: { ...each.annotations, [BOOTSTRAP_SIGNATURE_ANNOTATION]: signature } } : each,
  );
  return documentOf(raw, mediaType);
}

function sealIndex({ body, descriptor: { mediaType } }: Document, sealed: ReadonlyMap<string, Sealed>): Sealed {
  const raw = JSON.parse(body.toString('utf8')) as { manifests: Descriptor[] };
  raw.manifests = raw.manifests.map((entry) => {
    const child = sealed.get(entry.digest);
    return child === undefined ? entry : { ...entry, digest: child.digest, size: child.body.length };
  });
  return documentOf(raw, mediaType);
}

function documentOf(content: object, mediaType: string): Sealed {
  const body = Buffer.from(JSON.stringify(content));
  return { digest: digestOf(body), body, mediaType };
}

/** The tag, as long as it names what is sealed; else somebody has moved it since, and the digest alone is pushed. */
async function whatToMove(
  target: Reference,
  from: string,
  to: string,
  { registry, ...call }: Access,
): Promise<Reference> {
  const { digest } = await registry.resolve(target, call);
  return digest === from ? target : { registry: target.registry, repository: target.repository, digest: to };
}
