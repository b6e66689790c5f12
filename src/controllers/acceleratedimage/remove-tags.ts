import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { RegistryClient } from '../../registry/client.ts';
import { RegistryError } from '../../registry/errors.ts';
import { formatReference, InvalidReferenceError, parseReference } from '../../registry/reference.ts';
import type { Reference } from '../../registry/reference.ts';
import { attestationTag, signatureTag } from '../../trust/cosign.ts';
import { resolveCredentials, type CredentialsOptions } from '../credentials.ts';
import { ReconcileError } from '../reconcile-error.ts';
import { fromRegistryError } from '../registry-errors.ts';
import type { HistoryEntry } from './history.ts';

const RETRY_MS = 60_000;

/** Reasons that pass by themselves. */
const PASSING: readonly string[] = [Reason.RegistryUnreachable, Reason.RateLimited];

/** What keeps tags in the registries. */
export interface Needs {
  /** What Pods run: digests, and tags as `repository:tag`. */
  running: ReadonlySet<string>;
  /** What other objects need: `repository:tag`, `repository@digest`. */
  others: ReadonlySet<string>;
}

export interface RemoveOptions extends CredentialsOptions {
  registry: RegistryClient;
}

/** What became of one tag. */
export type Fate =
  | { tag: string; fate: 'removed' | 'gone' }
  | { tag: string; fate: 'left'; reason: string; message: string; passing: boolean };

/**
 * Removes the tags that the object made for one artifact, one by one. A tag that names something else by now is not touched and
 * forgotten; nothing is ever deleted by digest.
 * @throws only what is not about a registry or a Secret.
 */
export async function removeTags(
  image: AcceleratedImage,
  entry: HistoryEntry,
  needs: Needs,
  options: RemoveOptions,
  signal: AbortSignal,
): Promise<Fate[]> {
  const fates: Fate[] = [];
  for (const tag of entry.tags ?? []) {
    fates.push(await removeTag(image, entry, tag, needs, options, signal));
  }
  return fates;
}

async function removeTag(
  image: AcceleratedImage,
  { digest, sourceDigest }: HistoryEntry,
  name: string,
  { running, others }: Needs,
  options: RemoveOptions,
  signal: AbortSignal,
): Promise<Fate> {
  const left = (reason: string, message: string, passing = false): Fate => ({
    tag: name,
    fate: 'left',
    reason,
    message: `${name}: ${message}`,
    passing,
  });
  const { registry, repository, tag = '' } = parseReference(name);
  const place = { registry, repository };
  try {
    const request = { namespace: image.metadata.namespace, secretName: secretFor(image, place), reference: place };
    const credentials = await resolveCredentials(request, options, signal);
    const there = await options.registry.resolve({ ...place, tag }, { credentials, signal });
    // What signs an artifact is needed for as long as the artifact is.
    const signs = tag === signatureTag(digest) || tag === attestationTag(digest);
    const subject = signs ? digest : there.digest;
    if (subject !== digest && subject !== sourceDigest) {
      return { tag: name, fate: 'gone' };
    }
    if (running.has(subject) || running.has(name)) {
      return left(Reason.InUse, 'a Pod runs it');
    }
    if (others.has(name) || others.has(formatReference({ ...place, digest: subject }))) {
      return left(Reason.InUse, 'another AcceleratedImage needs it');
    }
    await options.registry.deleteTag({ ...place, tag }, { credentials, signal });
    return { tag: name, fate: 'removed' };
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'NotFound') {
      return { tag: name, fate: 'gone' };
    }
    if (error instanceof RegistryError && error.kind === 'Unsupported') {
      return left(Reason.DeletionUnsupported, error.message);
    }
    const mapped = fromRegistryError(error, RETRY_MS);
    if (mapped instanceof ReconcileError) {
      return left(mapped.reason, mapped.message, PASSING.includes(mapped.reason));
    }
    throw mapped;
  }
}

/** The Secret of the spec that is for this place: a replica's, else the target's. */
function secretFor({ spec }: AcceleratedImage, place: Reference): string | undefined {
  const own = formatReference(place);
  const replica = spec.replicas?.find(({ repository }) => placeOf(repository) === own);
  return replica?.pushSecretRef?.name ?? spec.target.pushSecretRef?.name ?? spec.source.pullSecretRef?.name;
}

function placeOf(repository: string): string | undefined {
  try {
    const { registry, repository: path } = parseReference(repository);
    return formatReference({ registry, repository: path });
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      return undefined;
    }
    throw error;
  }
}
