import { RegistryError } from '../registry/errors.ts';
import type { CallOptions, Document, RegistryClient } from '../registry/client.ts';
import type { Reference, Repository } from '../registry/reference.ts';
import type { Descriptor } from '../registry/schema.ts';

/** Most bytes that a payload, an envelope or a bundle may have. */
const BLOB_MAX = 1024 * 1024;

/** A registry, and how it is called. */
export interface Access extends CallOptions {
  registry: RegistryClient;
}

/** A document, or undefined where the registry says that there is none. */
export async function readIfThere(reference: Reference, { registry, ...call }: Access): Promise<Document | undefined> {
  try {
    return await registry.manifest(reference, call);
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'NotFound') {
      return undefined;
    }
    throw error;
  }
}

/**
 * Reads a small blob whole.
 * @returns undefined for one that is too big for what it should be, or is not there.
 * @throws RegistryError as the registry client does.
 */
export async function readSmallBlob(
  place: Repository,
  blob: Descriptor,
  { registry, ...call }: Access,
): Promise<Buffer | undefined> {
  if (blob.size > BLOB_MAX) {
    return undefined;
  }
  try {
    const stream = await registry.blob(place, blob, call);
    return Buffer.concat(await stream.toArray());
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'NotFound') {
      return undefined;
    }
    throw error;
  }
}
