import { finished } from 'node:stream/promises';
import pLimit from 'p-limit';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { OPTIONS_ANNOTATION } from '../../api/v1alpha1/labels.ts';
import type { ConvertSuccess } from '../../converter/result.ts';
import { REFERENCE_ANNOTATION, SOURCE_DIGEST_ANNOTATION } from '../../converter/nydus.ts';
import type { Credentials } from '../../registry/auth.ts';
import type { RegistryClient } from '../../registry/client.ts';
import { RegistryError } from '../../registry/errors.ts';
import type { RegistryErrorKind } from '../../registry/errors.ts';
import type { Reference } from '../../registry/reference.ts';
import { isIndex } from '../../registry/schema.ts';
import type { Descriptor, Manifest } from '../../registry/schema.ts';
import { transient } from '../reconcile-error.ts';

const PARALLEL_HEADS = 8;
/** Blobs of a copy up to so many bytes are read. */
const READ_WHOLE = 1024 * 1024;

/** Answers that say nothing about a copy; any other is about what it is. */
const UNSEEN: readonly RegistryErrorKind[] = ['Unauthorized', 'RateLimited', 'Unreachable'];

export interface Expected {
  target: Reference;
  optionsHash: string;
  /** Platform → digest of the source manifest. */
  sources: ReadonlyMap<string, string>;
  credentials: Credentials | undefined;
  signal: AbortSignal;
}

/**
 * Checks in the registry what a worker says it pushed: every manifest by digest, that it was made of this source with
 * these options, and that each of its blobs is there in full size. Nothing is believed from the worker but the digest.
 * @throws ReconcileError VerificationFailed; RegistryError as the registry client does.
 */
export async function verifyArtifact(
  registry: RegistryClient,
  result: ConvertSuccess,
  expected: Expected,
): Promise<void> {
  const call = { credentials: expected.credentials, signal: expected.signal };
  const repository = { registry: expected.target.registry, repository: expected.target.repository };
  const root = await registry.manifest({ ...repository, digest: result.digest }, call);
  const listed = isIndex(root.manifest)
    ? new Set(root.manifest.manifests.map((child) => child.digest))
    : new Set([result.digest]);
  const limit = pLimit(PARALLEL_HEADS);
  for (const platform of result.platforms) {
    if (!listed.has(platform.digest)) {
      throw failure(`${result.image} does not list the manifest ${platform.digest} for ${platform.platform}`);
    }
    const { manifest } = await registry.manifest({ ...repository, digest: platform.digest }, call);
    if (isIndex(manifest)) {
      throw failure(`${platform.digest} for ${platform.platform} is an index, not a manifest`);
    }
    checkOrigin(manifest, platform, expected);
    await Promise.all(
      [manifest.config, ...manifest.layers].map((blob) =>
        limit(async () => {
          const problem = problemOf(blob, await registry.blobExists(repository, blob.digest, call));
          if (problem !== undefined) {
            throw failure(`blob ${blob.digest} of ${result.image} ${problem}`);
          }
          const data = blob.annotations?.[REFERENCE_ANNOTATION];
          if (data !== undefined && (await registry.blobExists(repository, data, call)) === undefined) {
            throw failure(
              `layer ${data}, over which ${blob.digest} of ${result.image} is an index, is not in the registry`,
            );
          }
        }),
      ),
    );
  }
  const missing = [...expected.sources.keys()].filter(
    (platform) => !result.platforms.some((p) => p.platform === platform),
  );
  if (missing.length > 0) {
    throw failure(`${result.image} lacks ${missing.join(', ')}`);
  }
}

/**
 * Checks in its registry that a copy is all there: every manifest by digest, every blob in full size, and those that are
 * small, such as configs, by what is in them, which a registry that only says so cannot know.
 * @throws ReconcileError VerificationFailed; RegistryError where the registry did not let it be seen.
 */
export async function verifyCopy(
  registry: RegistryClient,
  { registry: host, repository, digest }: Reference & { digest: string },
  call: { credentials: Credentials | undefined; signal: AbortSignal },
): Promise<void> {
  const place = { registry: host, repository };
  const limit = pLimit(PARALLEL_HEADS);
  const seen = new Set<string>();
  const verifyDocument = async (document: string): Promise<void> => {
    if (seen.has(document)) {
      return;
    }
    seen.add(document);
    const { manifest } = await limit(() => registry.manifest({ ...place, digest: document }, call));
    await Promise.all(
      isIndex(manifest)
        ? manifest.manifests.map((child) => verifyDocument(child.digest))
        : [manifest.config, ...manifest.layers].map((blob) => limit(verifyBlob, blob)),
    );
  };
  const verifyBlob = async (blob: Descriptor): Promise<void> => {
    if (seen.has(blob.digest)) {
      return;
    }
    seen.add(blob.digest);
    const size = await registry.blobExists(place, blob.digest, call);
    const problem = problemOf(blob, size);
    if (problem !== undefined) {
      throw copyFailure(`blob ${blob.digest} of ${host}/${repository} ${problem}`);
    }
    if (blob.size <= READ_WHOLE) {
      // Ends only if the digest is right.
      await finished((await registry.blob(place, blob, call)).resume());
    }
  };
  try {
    await verifyDocument(digest);
  } catch (error) {
    throw error instanceof RegistryError && !UNSEEN.includes(error.kind) ? copyFailure(error.message, error) : error;
  }
}

/** What is wrong with a blob of which the registry says that it has this size; undefined where nothing is. */
export function problemOf(blob: Descriptor, size: number | undefined): string | undefined {
  return size === blob.size
    ? undefined
    : `should be ${blob.size} bytes; the registry ${size === undefined ? 'does not have it' : `has ${size}`}`;
}

function copyFailure(message: string, cause?: unknown): Error {
  return transient(Reason.VerificationFailed, `${message}; it is not used and will be copied again`, cause);
}

function checkOrigin(
  manifest: Manifest,
  { platform, digest }: { platform: string; digest: string },
  expected: Expected,
): void {
  const source = manifest.annotations?.[SOURCE_DIGEST_ANNOTATION];
  if (source !== expected.sources.get(platform)) {
    throw failure(
      `${digest} was made from ${source ?? 'an unnamed source'}, not from ${expected.sources.get(platform)}`,
    );
  }
  if (manifest.annotations?.[OPTIONS_ANNOTATION] !== expected.optionsHash) {
    throw failure(`${digest} was converted with other options than the spec's`);
  }
}

function failure(message: string): Error {
  return transient(Reason.VerificationFailed, `${message}; it is not used and will be converted again`);
}
