import { copyFor, pullableFor, pullSecretFor } from './candidates.ts';
import { nameOf, type CandidateInput, type Check } from './check.ts';
import { SkipReason, type Finding } from './reasons.ts';

/** Checks of an AcceleratedImage that names a container's image. */
export const CANDIDATE_CHECKS: readonly Check<CandidateInput>[] = [
  policyNever,
  notReady,
  tagStale,
  artifactOutdated,
  digestDiffers,
  platformNotCovered,
  replicaNotReady,
  pullSecretOutOfReach,
];

/** Checks for a Pod that runs already, which cannot be given a pull secret any more. */
export const RUNNING_CANDIDATE_CHECKS: readonly Check<CandidateInput>[] = [...CANDIDATE_CHECKS, pullSecretMissing];

function policyNever({ candidate }: CandidateInput): Finding | undefined {
  return candidate.never
    ? { reason: SkipReason.PolicyNever, message: `rewrite.policy of AcceleratedImage ${nameOf(candidate)} is Never` }
    : undefined;
}

function notReady({ candidate }: CandidateInput): Finding | undefined {
  return candidate.notReady === undefined
    ? undefined
    : {
        reason: SkipReason.NotReady,
        message: `AcceleratedImage ${nameOf(candidate)} is not Ready: ${candidate.notReady}`,
      };
}

function tagStale({ candidate, reference, now }: CandidateInput): Finding | undefined {
  return reference.digest === undefined && now.getTime() > candidate.staleAfter
    ? {
        reason: SkipReason.TagStale,
        message: `AcceleratedImage ${nameOf(candidate)} did not confirm for two intervals what the tag names`,
      }
    : undefined;
}

function artifactOutdated({ candidate, reference }: CandidateInput): Finding | undefined {
  const wanted = reference.digest ?? candidate.sourceDigest;
  return wanted === candidate.sourceDigest && candidate.artifact?.sourceDigest !== wanted
    ? {
        reason: SkipReason.ArtifactOutdated,
        message: `AcceleratedImage ${nameOf(candidate)} has no verified artifact of ${wanted} yet, only of the one before`,
      }
    : undefined;
}

function digestDiffers({ candidate, reference }: CandidateInput): Finding | undefined {
  return reference.digest !== undefined && candidate.artifact?.sourceDigest !== reference.digest
    ? {
        reason: SkipReason.DigestDiffers,
        message: `the Pod pins ${reference.digest}, AcceleratedImage ${nameOf(candidate)} converted ${candidate.artifact?.sourceDigest}`,
      }
    : undefined;
}

function platformNotCovered({ candidate, landing }: CandidateInput): Finding | undefined {
  const missing = [...landing().platforms].filter((platform) => !candidate.artifact?.platforms.has(platform));
  return missing.length === 0
    ? undefined
    : {
        reason: SkipReason.PlatformNotCovered,
        message:
          `the Pod may land on nodes of ${missing.join(', ')}, which the artifact of AcceleratedImage ` +
          `${nameOf(candidate)} lacks`,
      };
}

/** The artifact itself would do, but from far away, and maybe over a link that is not meant for it. */
function replicaNotReady({ candidate, landing }: CandidateInput): Finding | undefined {
  const copy = copyFor(candidate, landing);
  return copy === undefined || copy.ready
    ? undefined
    : {
        reason: SkipReason.ReplicaNotReady,
        message: `the copy of AcceleratedImage ${nameOf(candidate)} for the region ${copy.region} is not Ready: ${copy.because}`,
      };
}

/** A Secret cannot be used from another namespace; one of the same name in the Pod's own is taken for a copy of it. */
function pullSecretOutOfReach(input: CandidateInput): Finding | undefined {
  const { pod, candidate, namespace } = input;
  const secret = secretOf(input);
  return secret === undefined || candidate.namespace === namespace || pod.pullSecrets.includes(secret)
    ? undefined
    : {
        reason: SkipReason.PullSecretMissing,
        message:
          `the artifact of AcceleratedImage ${nameOf(candidate)} is in another registry, which the Secret ` +
          `${candidate.namespace}/${secret} pulls from, and the Pod has no imagePullSecrets ${secret} of its own namespace`,
      };
}

function pullSecretMissing(input: CandidateInput): Finding | undefined {
  const { pod, candidate } = input;
  const secret = secretOf(input);
  return secret === undefined || pod.pullSecrets.includes(secret)
    ? undefined
    : {
        reason: SkipReason.PullSecretMissing,
        message:
          `the artifact of AcceleratedImage ${nameOf(candidate)} is in another registry, and the running Pod lacks ` +
          `imagePullSecrets ${secret}, which pulls from there`,
      };
}

function secretOf({ candidate, reference, landing }: CandidateInput): string | undefined {
  return pullSecretFor(pullableFor(candidate, landing), reference);
}
