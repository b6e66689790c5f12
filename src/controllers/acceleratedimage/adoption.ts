import { AcceleratedImageReason as Reason, SIGNED } from '../../api/v1alpha1/conditions.ts';
import { RegistryError } from '../../registry/errors.ts';
import { formatReference, parseReference } from '../../registry/reference.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError, waiting } from '../reconcile-error.ts';
import { fromRegistryError } from '../registry-errors.ts';
import { checkAdoptable, type Adopted } from './adoption-check.ts';
import { findAdoptable, orUndefined, type Search } from './adoption-find.ts';
import { CONTINUE, credentialsFor, targetCredentials } from './pass.ts';
import type { Dependencies, Pass, StepResult } from './pass.ts';
import { setTrust } from './trust-condition.ts';

/** What is wrong with what was found, and not with finding it. */
const UNUSABLE: readonly string[] = [Reason.ArtifactMissing, Reason.ArtifactMismatch, Reason.VerificationFailed];
/** Answers of a registry that are about what it was asked for, and not about whether that can be seen. */
const DAMAGED: readonly RegistryError['kind'][] = ['DigestMismatch', 'TooLarge', 'Invalid', 'Unsupported'];

/**
 * Brings a Nydus image that something else pushed into use, in the mode Adopt: finds it, checks it, and looks again whenever the
 * source is resolved. One that is verified stays in use as long as it is in the registry, whatever becomes of its tag. There is no
 * Job: all that is read are manifests, configs and bootstraps.
 */
export async function adopt(pass: Pass, deps: Dependencies): Promise<StepResult> {
  const { status, image } = pass;
  delete status.conversion;
  sayWhoSigns(pass, deps);
  const verified = isUnchanged(pass);
  if (verified && status.source?.resolvedAt === image.status?.source?.resolvedAt) {
    return CONTINUE;
  }
  const interval = parseDuration(image.spec.source.interval);
  try {
    const search = await searchOf(pass, deps);
    if (verified && (await isNamed(pass, search))) {
      return CONTINUE;
    }
    const artifact = await findAndCheck(pass, search, interval).catch(async (error: unknown) => {
      const unusable = error instanceof ReconcileError && UNUSABLE.includes(error.reason);
      if (unusable && verified && (await isThere(pass, search))) {
        pass.log.info({ err: error }, 'a newer artifact cannot be adopted; the one before stays in use');
        return undefined;
      }
      if (unusable && status.artifact?.sourceDigest === search.source.reference.digest) {
        delete status.artifact;
      }
      throw error;
    });
    if (artifact !== undefined) {
      const convertedAt = deps.clock.now().toISOString();
      status.artifact = { ...artifact, sourceDigest: search.source.reference.digest, convertedAt };
    }
    return CONTINUE;
  } catch (error) {
    throw fromRegistryError(error, interval);
  }
}

/** The operator vouches for what it had made, and for nothing that something else made: whoever made that signs it. */
function sayWhoSigns(pass: Pass, deps: Dependencies): void {
  const message = `${pass.image.spec.source.image}: the Nydus image is adopted, and whoever builds it signs it`;
  const is = { status: 'False' as const, reason: Reason.Adopted, message };
  setTrust(pass, deps, SIGNED, deps.config.trust.signing === undefined ? undefined : is);
}

/** Whether there is an artifact that was adopted, of the source as it is now and for the spec as it is. */
function isUnchanged({ status: { artifact, source }, image }: Pass): boolean {
  return (
    artifact?.adoptedFrom !== undefined &&
    artifact.sourceDigest === source?.digest &&
    image.status?.observedGeneration === image.metadata.generation
  );
}

async function searchOf(pass: Pass, deps: Dependencies): Promise<Search> {
  const { image, status, source, target, signal } = pass;
  return {
    registry: deps.registry,
    signal,
    source: {
      reference: { ...source, digest: status.source?.digest ?? '' },
      credentials: await credentialsFor(pass, deps, source, image.spec.source.pullSecretRef?.name),
    },
    target: { reference: target, credentials: await targetCredentials(pass, deps) },
    platforms: status.source?.platforms ?? [],
  };
}

/** Whether the artifact is still what the target's tag names, or, where no tag led to it, still there. */
async function isNamed(pass: Pass, search: Search): Promise<boolean> {
  const { artifact } = pass.status;
  if (artifact?.adoptedFrom !== 'Tag') {
    return await isThere(pass, search);
  }
  const { reference, credentials } = search.target;
  const named = await orUndefined(search.registry.resolve(reference, { credentials, signal: search.signal }));
  return named?.digest === artifact.digest;
}

async function isThere({ status: { artifact } }: Pass, { registry, source, target, signal }: Search): Promise<boolean> {
  if (artifact === undefined) {
    return false;
  }
  const { credentials } = artifact.adoptedFrom === 'Source' ? source : target;
  return (await orUndefined(registry.resolve(parseReference(artifact.image), { credentials, signal }))) !== undefined;
}

/** @throws ReconcileError ArtifactMissing, ArtifactMismatch, VerificationFailed; RegistryError where nothing can be told. */
async function findAndCheck({ status }: Pass, search: Search, retryMs: number): Promise<Adopted> {
  const { source, target } = search;
  const name = formatReference(source.reference);
  const found = await findAdoptable(search);
  if (found === undefined) {
    const where = `neither it nor a referrer of it is a Nydus image, and there is no ${formatReference(target.reference)}`;
    throw waiting(Reason.ArtifactMissing, `there is no Nydus image of ${name}: ${where}`, retryMs);
  }
  try {
    return await checkAdoptable(found, search, retryMs);
  } catch (error) {
    if (error instanceof ReconcileError && found.reference.digest === status.artifact?.digest) {
      const why = `${formatReference(found.reference)} is still that of ${status.artifact.sourceDigest}`;
      throw waiting(Reason.ArtifactMissing, `there is no Nydus image of ${name} yet: ${why}`, retryMs, error);
    }
    if (error instanceof RegistryError && DAMAGED.includes(error.kind)) {
      throw waiting(Reason.VerificationFailed, `${error.message}; it is not used`, retryMs, error);
    }
    throw error;
  }
}
