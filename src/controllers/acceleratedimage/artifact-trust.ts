import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason, SIGNED } from '../../api/v1alpha1/conditions.ts';
import { formatReference, parseReference } from '../../registry/reference.ts';
import { seal } from '../../trust/seal.ts';
import { signArtifact } from '../../trust/sign.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError } from '../reconcile-error.ts';
import { fromRegistryError } from '../registry-errors.ts';
import type { SigningKeys } from '../signing-keys.ts';
import { targetCredentials } from './pass.ts';
import type { Dependencies, Pass } from './pass.ts';
import { setTrust } from './trust-condition.ts';

type Artifact = NonNullable<AcceleratedImageStatus['artifact']>;

/** What is said of sources elsewhere is said of an artifact here. */
const REASONS: Readonly<Record<string, string>> = {
  [Reason.SourceNotFound]: Reason.ArtifactMissing,
  [Reason.SourceNotAnImage]: Reason.VerificationFailed,
};

/**
 * Signs an artifact that was verified, if the operator has keys: the bootstraps, which gives it another digest, then the artifact
 * itself, with an attestation of how it was made. Nothing uses an artifact before: where signatures are checked, by nodes or on
 * admission, a Pod that runs an unsigned one does not start.
 * @param optionsHash what the artifact was made with.
 * @throws ReconcileError
 */
export async function sign(artifact: Artifact, optionsHash: string, pass: Pass, deps: Dependencies): Promise<Artifact> {
  const keys = await loadKeys(pass, deps);
  if (keys === undefined) {
    setTrust(pass, deps, SIGNED);
    return artifact;
  }
  try {
    const signed = await signWith(keys, artifact, optionsHash, pass, deps);
    const message = `${signed.image} is signed with the key ${keys.artifact.public.id}`;
    setTrust(pass, deps, SIGNED, { status: 'True', reason: Reason.Signed, message });
    return signed;
  } catch (error) {
    const mapped = fromRegistryError(error, parseDuration(pass.image.spec.source.interval));
    if (!(mapped instanceof ReconcileError)) {
      throw mapped;
    }
    const { kind, afterMs } = mapped;
    const reason = REASONS[mapped.reason] ?? mapped.reason;
    const message = `${artifact.image} could not be signed: ${mapped.message}`;
    setTrust(pass, deps, SIGNED, { status: 'False', reason, message });
    throw new ReconcileError(kind, reason, message, { ...(afterMs === undefined ? {} : { afterMs }), cause: mapped });
  }
}

/** The operator's keys, if it has any; a condition says why they cannot be used. Throws ReconcileError. */
export async function loadKeys(pass: Pass, deps: Dependencies): Promise<SigningKeys | undefined> {
  try {
    return await deps.signingKeys.load(pass.signal);
  } catch (error) {
    if (error instanceof ReconcileError) {
      setTrust(pass, deps, SIGNED, { status: 'False', reason: error.reason, message: error.message });
    }
    throw error;
  }
}

/** Whether an artifact carries the signatures of these keys. */
export function isSignedWith({ artifact, bootstrap }: SigningKeys, { signature }: Artifact): boolean {
  return signature?.key === artifact.public.id && signature.bootstrapKey === bootstrap?.public.id;
}

async function signWith(
  { artifact: key, bootstrap }: SigningKeys,
  artifact: Artifact,
  optionsHash: string,
  pass: Pass,
  deps: Dependencies,
): Promise<Artifact> {
  const { source, signal } = pass;
  const credentials = await targetCredentials(pass, deps);
  const access = { registry: deps.registry, credentials, signal };
  const reference = parseReference(artifact.image);
  const { digest: _digest, ...tagged } = reference;
  const digests = bootstrap === undefined ? undefined : await seal(tagged, artifact, bootstrap, access);
  const renamed = (digest: string): string => digests?.get(digest) ?? digest;
  const digest = renamed(artifact.digest);
  const platforms = artifact.platforms.map((each) => ({ ...each, digest: renamed(each.digest) }));
  const signatures = await signArtifact(
    {
      artifact: { registry: reference.registry, repository: reference.repository, digest },
      platforms,
      source: { registry: source.registry, repository: source.repository, digest: artifact.sourceDigest },
      format: artifact.format,
      optionsHash,
      builder: artifact.builder,
      convertedAt: artifact.convertedAt,
    },
    key,
    access,
  );
  return {
    ...artifact,
    image: formatReference({ ...reference, digest }),
    digest,
    platforms,
    signature: {
      digest: signatures.signature,
      attestation: signatures.attestation,
      key: key.public.id,
      ...(bootstrap === undefined ? {} : { bootstrapKey: bootstrap.public.id }),
    },
  };
}
