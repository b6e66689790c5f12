import { PrefetchPolicyReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { PrefetchPolicyStatus, WarmImage } from '../../api/v1alpha1/prefetchpolicy.ts';
import { withLead } from '../../autoscaling/decision.ts';
import { parseQuantity } from '../../autoscaling/quantity.ts';
import type { Provider } from '../../dragonfly/provider.ts';
import { formatBytes } from '../../api/v1alpha1/bytes.ts';
import { nodePlatforms } from '../../rewriting/platforms.ts';
import { UnresolvableError, planImages } from '../../warming/plan.ts';
import type { PlannedImage } from '../../warming/plan.ts';
import { findCredentials } from './pull-credentials.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError, waiting } from '../reconcile-error.ts';
import { recordFirstSeeds } from './firstseed.ts';
import { nextStatus } from './next-status.ts';
import type { Pass, PrefetchPolicyDependencies } from './pass.ts';
import { RETRY_MS, fromProviderError, reasonOfCold, reasonOfLost } from './provider-errors.ts';
import { bytesThere, failed, isStillWarm, unverified, warmth } from './warmth.ts';
import { neededAt, restAfterEviction } from './urgency.ts';
import { assertPlatforms } from './wrong-platform.ts';

/** How often warm images are read back again while nothing happens. */
export const VERIFY_INTERVAL_MS = 60_000;
/** How soon an image that the registry does not have, or not for these nodes, is looked for again. */
const UNRESOLVABLE_RETRY_MS = 30_000;

/**
 * Warms what the next Pods read and proves that it is warm, unless that was proven just now.
 * @throws ReconcileError OverBudget, ImageUnresolvable, WrongPlatform, Evicted, or why it did not work
 */
export async function warmFor(pass: Pass, provider: Provider, deps: PrefetchPolicyDependencies): Promise<void> {
  const { policy, draft, signal } = pass;
  const { spec } = policy;
  // Before anything is read from a registry: near a scale-out a policy is looked at every few seconds.
  if (isVerified(pass, (await pass.target()).images, deps)) {
    markFound(
      draft,
      (draft.images ?? []).reduce((sum, image) => sum + image.bytes, 0),
    );
    markVerified(draft, draft.lastWarmAt);
    return;
  }
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
  const before = await verifyAll(planned, provider, deps, signal);
  markFound(draft, bytesThere(before, spec.warm.seedReplicas));
  if (before.every((image) => image.state === 'Warm')) {
    markWarm(draft, before, deps);
    return;
  }
  const restMs = restAfterEviction(draft, deps.clock.now());
  draft.images = before;
  if (restMs > 0) {
    const [lost = {}] = before.filter(({ state }) => state !== 'Warm');
    throw waiting(reasonOfLost(lost), `${coldest(before)}; it is warmed again in ${restMs / 1000} s`, restMs);
  }
  await Promise.all([provider.check({ signal }).catch(throwForStatus), assertPlatforms(pass, planned, deps)]);
  const startedAt = deps.clock.now().toISOString();
  draft.images = planned.map((image) => unverified(image, 'Warming'));
  if (draft.decision !== undefined) {
    draft.decision = { ...draft.decision, warmStartedAt: startedAt };
  }
  const message = `${formatBytes(bytes)} of ${planned.length} images on the way to the seed peers`;
  const writeStatus = (): Promise<void> =>
    deps.status.write(policy, nextStatus(policy, draft, { kind: 'warming', message }, deps), signal);
  await writeStatus();
  const firstSeeds = recordFirstSeeds(pass, deps.clock, writeStatus);
  const timeoutMs = parseDuration(spec.warm.timeout);
  const options = { timeoutMs, signal, neededAt: neededAt(draft, deps.clock.now()) };
  // One that cannot be warmed keeps no other from being so.
  const results = await Promise.allSettled(
    planned.map((image) =>
      provider.warm(image.warm, { ...options, onProgress: (progress) => firstSeeds.progress(image, progress) }),
    ),
  );
  await firstSeeds.end();
  const errors = results.map((result) => (result.status === 'rejected' ? fromProviderError(result.reason) : undefined));
  const unexpected = errors.find((error) => error !== undefined && !(error instanceof ReconcileError));
  if (unexpected !== undefined) {
    throw unexpected;
  }
  const after = await Promise.all(
    planned.map(async (image, i): Promise<WarmImage> => {
      const error = errors[i];
      return error instanceof ReconcileError ? failed(image, error) : await verify(image, provider, deps, signal);
    }),
  );
  markBrought(pass, before, after);
  markWarm(draft, after, deps);
  const [error] = errors.filter((each) => each !== undefined);
  if (error !== undefined) {
    throw error;
  }
  const cold = after.find((image) => image.state !== 'Warm');
  if (cold !== undefined) {
    throw waiting(reasonOfCold(cold), coldest(after), RETRY_MS);
  }
}

/** Which image is not warm, and why. */
function coldest(images: readonly WarmImage[]): string {
  const cold = images.find((image) => image.state !== 'Warm');
  return `${cold?.image}: ${cold?.blobs.warm} of ${cold?.blobs.total} blobs are warm: ${cold?.message ?? cold?.reason ?? ''}`;
}

/** Looks again whether what was warm still is; what was evicted is warmed by the next sign of a scale-out. */
export async function verifyAgain(pass: Pass, provider: Provider, deps: PrefetchPolicyDependencies): Promise<void> {
  const { draft, signal } = pass;
  // What was never warmed waits for a sign; it is no reason to look at the rest more often.
  const { images } = await pass.target();
  const warmed = images.filter((reference) => draft.images?.some(({ image }) => image === reference));
  if (warmed.length > 0 && isVerified(pass, warmed, deps)) {
    return;
  }
  const planned = await plan(pass, deps);
  const known = planned.filter(({ digest }) => draft.images?.some((image) => image.digest === digest));
  draft.images = await verifyAll(known, provider, deps, signal);
}

/** Whether images were verified warm within the interval, as the policy has it now. */
function isVerified(
  { policy, draft }: Pass,
  references: readonly string[],
  { clock }: PrefetchPolicyDependencies,
): boolean {
  return (
    policy.spec.mode === 'Warm' &&
    draft.observedGeneration === policy.metadata.generation &&
    isStillWarm(draft.images, references, VERIFY_INTERVAL_MS, clock.now())
  );
}

async function plan(pass: Pass, deps: PrefetchPolicyDependencies): Promise<PlannedImage[]> {
  const { namespace } = pass.policy.metadata;
  const { signal } = pass;
  const { images, pullSecrets } = await pass.target();
  try {
    const planned = await planImages(images, {
      registry: deps.registry,
      config: deps.config,
      platforms: nodePlatforms(deps.nodes.list()),
      listedOnly: pass.policy.spec.warm.content === 'PrefetchList',
      credentialsFor: (reference) => findCredentials({ namespace, pullSecrets, reference }, deps, signal),
      signal,
    });
    const { seedReplicas } = pass.policy.spec.warm;
    return seedReplicas === undefined
      ? planned
      : planned.map((image) => ({ ...image, warm: { ...image.warm, seedReplicas } }));
  } catch (error) {
    if (error instanceof UnresolvableError) {
      throw waiting(Reason.ImageUnresolvable, error.message, error.retryAfter ?? UNRESOLVABLE_RETRY_MS, error);
    }
    throw error;
  }
}

async function verifyAll(
  planned: readonly PlannedImage[],
  provider: Provider,
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<WarmImage[]> {
  return await Promise.all(planned.map((image) => verify(image, provider, deps, signal)));
}

async function verify(
  image: PlannedImage,
  provider: Provider,
  { clock }: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<WarmImage> {
  const states = await provider.verify(image.warm, { signal }).catch(throwForStatus);
  return warmth(image, states, clock.now());
}

function throwForStatus(error: unknown): never {
  throw fromProviderError(error);
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
function markBrought({ draft, policy }: Pass, before: readonly WarmImage[], after: readonly WarmImage[]): void {
  const { seedReplicas } = policy.spec.warm;
  const brought = Math.max(0, bytesThere(after, seedReplicas) - bytesThere(before, seedReplicas));
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
