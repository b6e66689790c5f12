import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { Credentials } from '../../registry/auth.ts';
import { RegistryError } from '../../registry/errors.ts';
import { parseReference } from '../../registry/reference.ts';
import type { Reference } from '../../registry/reference.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError } from '../reconcile-error.ts';
import { fromRegistryError } from '../registry-errors.ts';
import { credentialsFor } from './pass.ts';
import type { Dependencies, Pass } from './pass.ts';
import type { CopyIdentity } from './replica-identity.ts';
import { failed, held, ready, type Step } from './replica-state.ts';
import type { ReplicaStatus } from './replication.ts';
import { verifyCopy } from './verify.ts';

const RETRY_MS = 60_000;

/** Checks in its registry what a worker says it copied; nothing is believed from it. */
export async function verifyReplica(
  known: ReplicaStatus,
  copy: CopyIdentity,
  pass: Pass,
  deps: Dependencies,
): Promise<Step> {
  const { clock, registry } = deps;
  try {
    const credentials = await replicaCredentials(copy, pass, deps);
    for (const reference of pinned(copy)) {
      await verifyCopy(registry, reference, { credentials, signal: pass.signal });
    }
    return ready(known, clock.now());
  } catch (error) {
    return judge(error, known, pass, deps);
  }
}

/**
 * A verified copy may be deleted from its registry behind our back: looked at as often as the source. A registry that does
 * not answer from here says nothing about the copy.
 */
export async function confirmCopy(
  known: ReplicaStatus,
  copy: CopyIdentity,
  pass: Pass,
  deps: Dependencies,
): Promise<Step> {
  const { status, image, log, signal } = pass;
  if (status.source?.resolvedAt === image.status?.source?.resolvedAt) {
    return { status: known };
  }
  try {
    const credentials = await replicaCredentials(copy, pass, deps);
    for (const reference of pinned(copy)) {
      await deps.registry.resolve(reference, { credentials, signal });
    }
    return { status: known };
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'NotFound') {
      const message = `${known.image} has gone from its registry; it is copied again`;
      return failed(known, Reason.ArtifactMissing, message, deps.clock.now());
    }
    const step = judge(error, known, pass, deps);
    if (step.status.reason === Reason.VerificationFailed) {
      return step;
    }
    log.warn({ err: error, region: known.region, image: known.image }, 'a copy could not be looked at again');
    return { status: known };
  }
}

/** The copies by digest: what their tags name is everybody's affair. */
function pinned({ images }: CopyIdentity): (Reference & { digest: string })[] {
  return images.map(({ from, to }) => {
    const { registry, repository } = parseReference(to);
    return { registry, repository, digest: parseReference(from).digest ?? '' };
  });
}

async function replicaCredentials(
  { target, secrets }: CopyIdentity,
  pass: Pass,
  deps: Dependencies,
): Promise<Credentials | undefined> {
  return await credentialsFor(pass, deps, target, secrets.replica);
}

/** A copy that is wrong is made again; one that could not be seen is looked at again. */
function judge(error: unknown, known: ReplicaStatus, { image }: Pass, { clock }: Dependencies): Step {
  const mapped = fromRegistryError(error, parseDuration(image.spec.source.interval));
  if (!(mapped instanceof ReconcileError)) {
    throw mapped;
  }
  const { reason, message, afterMs = RETRY_MS } = mapped;
  return reason === Reason.VerificationFailed
    ? failed(known, reason, message, clock.now())
    : held(known, reason, message, afterMs, clock.now());
}
