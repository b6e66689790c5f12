import { PrefetchPolicyReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { PrefetchPolicyStatus, WarmImage } from '../../api/v1alpha1/prefetchpolicy.ts';
import { withLead } from '../../autoscaling/decision.ts';
import { parseQuantity } from '../../autoscaling/quantity.ts';
import { ProviderError } from '../../dragonfly/provider.ts';
import type { Provider } from '../../dragonfly/provider.ts';
import type { Credentials } from '../../registry/auth.ts';
import type { Reference } from '../../registry/reference.ts';
import { formatBytes } from '../../api/v1alpha1/bytes.ts';
import { nodePlatforms } from '../../rewriting/platforms.ts';
import { UnresolvableError, planImages } from '../../warming/plan.ts';
import type { PlannedImage } from '../../warming/plan.ts';
import { resolveCredentials } from '../credentials.ts';
import { parseDuration } from '../duration.ts';
import { waiting } from '../reconcile-error.ts';
import type { Pass, PrefetchPolicyDependencies } from './pass.ts';
import { summarise } from './summary.ts';
import { bytesThere, isStillWarm, unverified, warmth } from './warmth.ts';

/** How often warm images are read back again while nothing happens. */
export const VERIFY_INTERVAL_MS = 60_000;
/** How soon a warm that failed is tried again. */
export const RETRY_MS = 15_000;
/** How soon an image that the registry does not have, or not for these nodes, is looked for again. */
const UNRESOLVABLE_RETRY_MS = 30_000;

/**
 * Warms what the next Pods read and proves that it is warm, unless that was proven just now.
 * @throws ReconcileError OverBudget, ImageUnresolvable, WarmFailed, ProviderUnreachable, ProviderRejected
 */
export async function warmFor(pass: Pass, provider: Provider, deps: PrefetchPolicyDependencies): Promise<void> {
  const { policy, draft, signal } = pass;
  const { spec } = policy;
  const planned = await plan(pass, deps);
  const bytes = planned.reduce((sum, image) => sum + image.bytes, 0);
  const budget = parseQuantity(spec.limits.maxBytes);
  if (bytes > budget) {
    throw waiting(
      Reason.OverBudget,
      `${formatBytes(bytes)} to warm is more than maxBytes ${spec.limits.maxBytes}; raise it, or name fewer images`,
      VERIFY_INTERVAL_MS,
    );
  }
  if (spec.mode === 'DryRun') {
    draft.images = planned.map((image) => unverified(image, 'Pending'));
    return;
  }
  if (isStillWarm(draft.images, planned, VERIFY_INTERVAL_MS, deps.clock.now())) {
    markFound(draft, bytes);
    markVerified(draft, draft.lastWarmAt);
    return;
  }
  const before = await verifyAll(planned, provider, deps, signal);
  markFound(draft, bytesThere(before));
  if (before.every((image) => image.state === 'Warm')) {
    markWarm(draft, before, deps);
    return;
  }
  const startedAt = deps.clock.now().toISOString();
  draft.images = planned.map((image) => unverified(image, 'Warming'));
  if (draft.decision !== undefined) {
    draft.decision = { ...draft.decision, warmStartedAt: startedAt };
  }
  const message = `${formatBytes(bytes)} of ${planned.length} images on the way to the seed peers`;
  await deps.status.write(policy, summarise(policy, draft, { kind: 'warming', message }, deps.clock.now()), signal);
  const timeoutMs = parseDuration(spec.warm.timeout);
  try {
    await Promise.all(planned.map((image) => provider.warm(image.warm, { timeoutMs, signal })));
  } catch (error) {
    draft.images = planned.map((image) => unverified(image, 'NotWarm'));
    throw fromProviderError(error);
  }
  const after = await verifyAll(planned, provider, deps, signal);
  markBrought(draft, before, after);
  markWarm(draft, after, deps);
  const cold = after.find((image) => image.state !== 'Warm');
  if (cold !== undefined) {
    throw waiting(
      Reason.WarmFailed,
      `${cold.image}: ${cold.blobs.warm} of ${cold.blobs.total} blobs are warm: ${cold.message ?? cold.reason ?? ''}`,
      RETRY_MS,
    );
  }
}

/** Looks again whether what was warm still is; what was evicted is warmed by the next sign of a scale-out. */
export async function verifyAgain(pass: Pass, provider: Provider, deps: PrefetchPolicyDependencies): Promise<void> {
  const { draft, signal } = pass;
  const planned = await plan(pass, deps);
  const known = planned.filter(({ digest }) => draft.images?.some((image) => image.digest === digest));
  if (known.length > 0 && isStillWarm(draft.images, known, VERIFY_INTERVAL_MS, deps.clock.now())) {
    return;
  }
  draft.images = await verifyAll(known, provider, deps, signal);
}

async function plan(pass: Pass, deps: PrefetchPolicyDependencies): Promise<PlannedImage[]> {
  const { namespace } = pass.policy.metadata;
  const { signal } = pass;
  const { images, pullSecrets } = await pass.target();
  try {
    return await planImages(images, {
      registry: deps.registry,
      config: deps.config,
      platforms: nodePlatforms(deps.nodes.list()),
      listedOnly: pass.policy.spec.warm.content === 'PrefetchList',
      credentialsFor: (reference) => findCredentials({ namespace, pullSecrets, reference }, deps, signal),
      signal,
    });
  } catch (error) {
    if (error instanceof UnresolvableError) {
      throw waiting(Reason.ImageUnresolvable, error.message, error.retryAfter ?? UNRESOLVABLE_RETRY_MS, error);
    }
    throw error;
  }
}

/** The credentials of the first Secret that has some for the registry, as kubelet looks for them. */
async function findCredentials(
  { namespace, pullSecrets, reference }: { namespace: string; pullSecrets: readonly string[]; reference: Reference },
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  for (const secretName of pullSecrets.length === 0 ? [undefined] : pullSecrets) {
    const credentials = await resolveCredentials({ namespace, secretName, reference }, deps, signal);
    if (credentials !== undefined) {
      return credentials;
    }
  }
  return undefined;
}

async function verifyAll(
  planned: readonly PlannedImage[],
  provider: Provider,
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<WarmImage[]> {
  return await Promise.all(
    planned.map(async (image) => {
      const states = await provider.verify(image.warm, { signal }).catch((error: unknown) => {
        throw fromProviderError(error);
      });
      return warmth(image, states, deps.clock.now());
    }),
  );
}

function markWarm(draft: PrefetchPolicyStatus, images: WarmImage[], { clock }: PrefetchPolicyDependencies): void {
  draft.images = images;
  if (!images.every((image) => image.state === 'Warm')) {
    return;
  }
  draft.lastWarmAt = clock.now().toISOString();
  markVerified(draft, draft.lastWarmAt);
}

/** Records on the decision the bytes that were there when it was made. */
function markFound(draft: PrefetchPolicyStatus, bytes: number): void {
  if (draft.decision !== undefined) {
    draft.decision = { ...draft.decision, bytesFound: draft.decision.bytesFound ?? bytes };
  }
}

/** Records on the decision the bytes that were not there before. */
function markBrought(draft: PrefetchPolicyStatus, before: readonly WarmImage[], after: readonly WarmImage[]): void {
  const brought = Math.max(0, bytesThere(after) - bytesThere(before));
  if (draft.decision !== undefined) {
    draft.decision = { ...draft.decision, bytes: (draft.decision.bytes ?? 0) + brought };
  }
}

/** Records on the decision when its images were verified warm, the first time. */
function markVerified(draft: PrefetchPolicyStatus, at: string | undefined): void {
  if (draft.decision !== undefined && at !== undefined) {
    draft.decision = withLead({ ...draft.decision, warmVerifiedAt: draft.decision.warmVerifiedAt ?? at });
  }
}

function fromProviderError(error: unknown): unknown {
  if (!(error instanceof ProviderError)) {
    return error;
  }
  const reason = {
    Unreachable: Reason.ProviderUnreachable,
    Rejected: Reason.ProviderRejected,
    Failed: Reason.WarmFailed,
    TimedOut: Reason.WarmFailed,
  }[error.kind];
  return waiting(reason, error.message, error.retryAfter ?? RETRY_MS, error);
}
