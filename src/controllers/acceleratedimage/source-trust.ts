import { AcceleratedImageReason as Reason, SOURCE_VERIFIED } from '../../api/v1alpha1/conditions.ts';
import { formatReference } from '../../registry/reference.ts';
import { readClaims } from '../../trust/claims.ts';
import { KeyError } from '../../trust/errors.ts';
import { judge } from '../../trust/judge.ts';
import { hashOfRequirements, requirementsFor, type Requirement } from '../../trust/policy.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError, stalled } from '../reconcile-error.ts';
import { fromRegistryError } from '../registry-errors.ts';
import { CONTINUE, credentialsFor } from './pass.ts';
import type { Dependencies, Pass, StepResult } from './pass.ts';
import { setTrust } from './trust-condition.ts';

/** Whoever pushes an image signs it a moment later: so long at most until that is seen. */
const RETRY_MAX_MS = 60_000;

/**
 * Refuses a source that must be signed and is not, before anything is made of it. A digest that was found good is not asked about
 * again, as long as the keys are the same.
 */
export async function verifySource(pass: Pass, deps: Dependencies): Promise<StepResult> {
  const { status, image, source } = pass;
  const requirements = required(pass, deps);
  const digest = status.source?.digest;
  if (requirements.length === 0 || digest === undefined) {
    delete status.sourceVerification;
    setTrust(pass, deps, SOURCE_VERIFIED);
    return CONTINUE;
  }
  const policy = hashOfRequirements(requirements);
  if (status.sourceVerification?.digest === digest && status.sourceVerification.policy === policy) {
    return CONTINUE;
  }
  delete status.sourceVerification;
  const { registry, repository } = source;
  const name = formatReference({ ...source, digest });
  const intervalMs = parseDuration(image.spec.source.interval);
  const claims = await readSignatures(pass, deps, digest).catch((error: unknown) => {
    const mapped = fromRegistryError(error, intervalMs);
    if (mapped instanceof ReconcileError) {
      const { reason } = mapped;
      setTrust(pass, deps, SOURCE_VERIFIED, {
        status: 'False',
        reason,
        message: `the signatures of ${registry}/${repository} could not be read: ${mapped.message}`,
      });
    }
    throw mapped;
  });
  const judgement = judge(claims, requirements, name);
  if (!judgement.trusted) {
    const reason = judgement.missing ? Reason.SignatureMissing : Reason.SignatureInvalid;
    setTrust(pass, deps, SOURCE_VERIFIED, { status: 'False', reason, message: judgement.message });
    throw new ReconcileError('stalled', reason, judgement.message, { afterMs: Math.min(intervalMs, RETRY_MAX_MS) });
  }
  status.sourceVerification = { digest, policy, verifiedAt: deps.clock.now().toISOString() };
  setTrust(pass, deps, SOURCE_VERIFIED, {
    status: 'True',
    reason: Reason.SourceVerified,
    message: `${name} is signed as ${requirements.map(({ from }) => from).join(' and ')} asks`,
  });
  return CONTINUE;
}

function required({ image, source }: Pass, { config }: Dependencies): Requirement[] {
  const name = `${source.registry}/${source.repository}`;
  try {
    return requirementsFor(name, config.trust.sources, image.spec.source.verify?.publicKeys);
  } catch (error) {
    throw error instanceof KeyError ? stalled(Reason.InvalidSpec, error.message, error) : error;
  }
}

async function readSignatures(pass: Pass, deps: Dependencies, digest: string): ReturnType<typeof readClaims> {
  const { image, source, signal } = pass;
  const credentials = await credentialsFor(pass, deps, source, image.spec.source.pullSecretRef?.name);
  const place = { registry: source.registry, repository: source.repository };
  return await readClaims(place, digest, { registry: deps.registry, credentials, signal });
}
