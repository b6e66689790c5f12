import { digestOf } from '../registry/digest.ts';
import type { Reference, Repository } from '../registry/reference.ts';
import { isIndex, MEDIA_TYPES, type Descriptor } from '../registry/schema.ts';
import { readIfThere, readSmallBlob, type Access } from './read.ts';

/** Layers of others that are kept beside an own one: cosign reads no manifest of more than 1000. */
const OTHERS_MAX = 100;
/** Layers that are looked at for an own one. */
const LOOKED_AT = 32;

/** A signature or an attestation as a layer of the manifest of all of them. */
export interface Attachment {
  mediaType: string;
  body: Buffer;
  annotations: Record<string, string>;
}

/**
 * Adds a signature or an attestation to those that a tag names already, as cosign does, unless one is there that will do.
 * @param isOwn whether a layer that is there is what would be attached.
 * @returns digest of the manifest that the tag names now.
 * @throws RegistryError as the registry client does.
 */
export async function attach(
  to: Repository & { tag: string },
  make: () => Attachment,
  isOwn: (layer: Descriptor, body: Buffer) => boolean,
  access: Access,
): Promise<string> {
  const there = await readIfThere(to, access);
  const layers = there === undefined || isIndex(there.manifest) ? [] : there.manifest.layers;
  for (const layer of layers.slice(-LOOKED_AT)) {
    const body = await readSmallBlob(to, layer, access);
    if (there !== undefined && body !== undefined && isOwn(layer, body)) {
      return there.descriptor.digest;
    }
  }
  return await push(to, layers.slice(-OTHERS_MAX), make(), access);
}

async function push(
  to: Reference,
  others: readonly Descriptor[],
  { mediaType, body, annotations }: Attachment,
  { registry, ...call }: Access,
): Promise<string> {
  const { digest, size } = await registry.pushBlob(to, body, call);
  const layers = [...others, { mediaType, digest, size, annotations }];
  // An image config, as cosign has it: registries that take images take signatures.
  const config = Buffer.from(
    JSON.stringify({
      architecture: '',
      created: '0001-01-01T00:00:00Z',
      os: '',
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
      config: {},
    }),
  );
  await registry.pushBlob(to, config, call);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(config), size: config.length },
      layers,
    }),
  );
  return await registry.pushManifest(to, manifest, MEDIA_TYPES.ociManifest, call);
}
