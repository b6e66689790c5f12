import pLimit from 'p-limit';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { OPTIONS_ANNOTATION } from '../../api/v1alpha1/labels.ts';
import type { ConvertSuccess } from '../../converter/result.ts';
import { SOURCE_DIGEST_ANNOTATION } from '../../converter/nydus.ts';
import type { Credentials } from '../../registry/auth.ts';
import type { RegistryClient } from '../../registry/client.ts';
import type { Reference } from '../../registry/reference.ts';
import { isIndex } from '../../registry/schema.ts';
import type { Manifest } from '../../registry/schema.ts';
import { transient } from '../reconcile-error.ts';

const PARALLEL_HEADS = 8;

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
          const size = await registry.blobExists(repository, blob.digest, call);
          if (size !== blob.size) {
            throw failure(
              `blob ${blob.digest} of ${result.image} should be ${blob.size} bytes; the registry ${size === undefined ? 'does not have it' : `has ${size}`}`,
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
