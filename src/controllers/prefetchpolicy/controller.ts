import { PrefetchPolicyReason as Reason, WARM } from '../../api/v1alpha1/conditions.ts';
import type { PrefetchPolicy, PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import { decide, recordScaleOut, withLead } from '../../autoscaling/decision.ts';
import { evaluate } from '../../autoscaling/evaluate.ts';
import type { History } from '../../autoscaling/history.ts';
import { parseQuantity } from '../../autoscaling/quantity.ts';
import type { Config } from '../../config.ts';
import { ProviderError } from '../../dragonfly/provider.ts';
import type { Provider } from '../../dragonfly/provider.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { HorizontalPodAutoscaler, Node } from '../../kube/resources.ts';
import type { RegistryClient } from '../../registry/client.ts';
import type { RewriteIndex } from '../../rewriting/index.ts';
import { resolveTemplate } from '../../rewriting/template.ts';
import type { Clock } from '../../runtime/clock.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Outcome, ReconcileContext } from '../../runtime/controller.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Key } from '../../runtime/object.ts';
import type { ReadStore } from '../../runtime/store.ts';
import { formatBytes } from '../bytes.ts';
import { resolveCredentials } from '../credentials.ts';
import { parseDuration } from '../duration.ts';
import { nodePlatforms } from '../platforms.ts';
import { ReconcileError, stalled, waiting } from '../reconcile-error.ts';
import { STALE_CACHE_MS } from '../status-writer.ts';
import type { StatusWriter } from '../status-writer.ts';
import { planImages } from './plan.ts';
import type { PlannedImage } from './plan.ts';
import { summarise } from './summary.ts';
import type { Verdict } from './summary.ts';
import { concerns, findAutoscaler, readTemplate } from './target.ts';
import { isStillWarm, unverified, warmth } from './warmth.ts';

/** How often warm images are read back again while nothing happens. */
const VERIFY_INTERVAL_MS = 60_000;
const RETRY_MS = 15_000;

export interface PrefetchPolicyDependencies {
  client: KubeClient;
  registry: RegistryClient;
  config: Config;
  operatorNamespace: string;
  clock: Clock;
  policies: ReadStore<PrefetchPolicy>;
  autoscalers: ReadStore<HorizontalPodAutoscaler>;
  nodes: ReadStore<Node>;
  /** Recent metrics of each autoscaler, recorded as its status changes. */
  histories: ReadonlyMap<Key, History>;
  index: RewriteIndex;
  providers: ReadonlyMap<string, Provider>;
  status: StatusWriter<PrefetchPolicy, PrefetchPolicyStatus>;
  events: EventRecorder;
}

/** Reconciles one PrefetchPolicy: see whether a scale-out is near, warm what its Pods will read, prove that it is warm. */
export async function reconcilePrefetchPolicy(
  key: Key,
  deps: PrefetchPolicyDependencies,
  { signal }: ReconcileContext,
): Promise<Outcome | void> {
  const policy = deps.policies.get(key);
  if (policy === undefined) {
    deps.status.forget(key);
    return;
  }
  if (policy.metadata.deletionTimestamp !== undefined || policy.spec.suspend) {
    return;
  }
  if (!deps.status.isFresh(policy)) {
    return { requeueAfter: STALE_CACHE_MS };
  }
  const draft: PrefetchPolicyStatus = structuredClone(policy.status ?? {});
  let verdict: Verdict = { kind: 'done' };
  let afterMs = VERIFY_INTERVAL_MS;
  try {
    await observe(policy, draft, deps, signal);
  } catch (error) {
    if (!(error instanceof ReconcileError)) {
      throw error;
    }
    verdict = { kind: 'failed', error };
    afterMs = error.afterMs ?? RETRY_MS;
  }
  const status = summarise(policy, draft, verdict, deps.clock.now());
  await deps.status.write(policy, status, signal);
  announce(policy, status, deps.events);
  return { requeueAfter: afterMs };
}

/** The policies that an autoscaler's change concerns. */
export function keysForAutoscaler(hpa: HorizontalPodAutoscaler, policies: readonly PrefetchPolicy[]): Key[] {
  return policies.filter((policy) => concerns(policy, hpa)).map((policy) => keyOf(policy));
}

async function observe(
  policy: PrefetchPolicy,
  draft: PrefetchPolicyStatus,
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { spec, metadata } = policy;
  const hpa = findAutoscaler(policy, deps.autoscalers.listNamespace(metadata.namespace));
  const now = deps.clock.now();
  const evaluation = evaluate(hpa, deps.histories.get(keyOf(hpa))?.samples() ?? [], {
    threshold: Number(spec.triggers.autoscaler.threshold),
    horizonMs: parseDuration(spec.triggers.autoscaler.horizon),
    now,
  });
  const cooldownMs = parseDuration(spec.limits.cooldown);
  const target = hpa.spec?.scaleTargetRef;
  draft.horizontalPodAutoscaler = hpa.metadata.name;
  draft.target = `${target?.kind}/${target?.name}`;
  draft.replicas = `${evaluation.currentReplicas}→${evaluation.scaleOutNear ? evaluation.expectedReplicas : evaluation.currentReplicas}`;
  // In this order: a scale-out that is larger than it was foreseen is still the one that was foreseen.
  const decision = recordScaleOut(decide(draft.decision, evaluation, cooldownMs, now), hpa);
  if (decision !== undefined) {
    draft.decision = decision;
  }
  const provider = deps.providers.get(spec.warm.provider);
  if (provider === undefined) {
    const known = [...deps.providers.keys()].join(', ') || 'none';
    throw stalled(
      Reason.ProviderUnknown,
      `the operator's configuration has no provider ${spec.warm.provider}; it has: ${known}`,
    );
  }
  if (evaluation.scaleOutNear) {
    await warmFor(policy, draft, hpa, provider, deps, signal);
  } else if (draft.images?.some((image) => image.state === 'Warm') === true) {
    await verifyAgain(policy, draft, hpa, provider, deps, signal);
  }
}

async function warmFor(
  policy: PrefetchPolicy,
  draft: PrefetchPolicyStatus,
  hpa: HorizontalPodAutoscaler,
  provider: Provider,
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { spec } = policy;
  const planned = await plan(policy, hpa, deps, signal);
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
    markVerified(draft, draft.lastWarmAt);
    return;
  }
  const before = await verifyAll(planned, provider, deps, signal);
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
async function verifyAgain(
  policy: PrefetchPolicy,
  draft: PrefetchPolicyStatus,
  hpa: HorizontalPodAutoscaler,
  provider: Provider,
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<void> {
  const planned = await plan(policy, hpa, deps, signal);
  const known = planned.filter(({ digest }) => draft.images?.some((image) => image.digest === digest));
  if (known.length > 0 && isStillWarm(draft.images, known, VERIFY_INTERVAL_MS, deps.clock.now())) {
    return;
  }
  draft.images = await verifyAll(known, provider, deps, signal);
}

async function plan(
  policy: PrefetchPolicy,
  hpa: HorizontalPodAutoscaler,
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<PlannedImage[]> {
  const { namespace } = policy.metadata;
  const template = policy.spec.images === undefined ? await readTemplate(deps.client, hpa, signal) : undefined;
  const images =
    policy.spec.images ??
    resolveTemplate(template ?? {}, namespace, deps.index, deps.clock.now()).map(({ image }) => image);
  const secretName = template?.spec?.imagePullSecrets?.[0]?.name;
  return await planImages(images, {
    registry: deps.registry,
    config: deps.config,
    platforms: nodePlatforms(deps.nodes.list()),
    credentialsFor: (reference) => resolveCredentials({ namespace, secretName, reference }, deps, signal),
    signal,
  });
}

async function verifyAll(
  planned: readonly PlannedImage[],
  provider: Provider,
  deps: PrefetchPolicyDependencies,
  signal: AbortSignal,
): ReturnType<typeof Promise.all<ReturnType<typeof warmth>[]>> {
  return await Promise.all(
    planned.map(async (image) => {
      const states = await provider.verify(image.warm, { signal }).catch((error: unknown) => {
        throw fromProviderError(error);
      });
      return warmth(image, states, deps.clock.now());
    }),
  );
}

function markWarm(
  draft: PrefetchPolicyStatus,
  images: NonNullable<PrefetchPolicyStatus['images']>,
  { clock }: PrefetchPolicyDependencies,
): void {
  draft.images = images;
  if (!images.every((image) => image.state === 'Warm')) {
    return;
  }
  draft.lastWarmAt = clock.now().toISOString();
  markVerified(draft, draft.lastWarmAt);
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

/** An Event for each change of Warm, with the same reason and message as the condition. */
function announce(policy: PrefetchPolicy, status: PrefetchPolicyStatus, events: EventRecorder): void {
  const before = findCondition(policy.status?.conditions ?? [], WARM);
  const warm = findCondition(status.conditions ?? [], WARM);
  if (warm !== undefined && warm.reason !== before?.reason) {
    const failed =
      warm.status === 'False' &&
      warm.reason !== Reason.NotWarmed &&
      warm.reason !== Reason.DryRun &&
      warm.reason !== Reason.Warming;
    events.event(policy, failed ? 'Warning' : 'Normal', warm.reason, warm.message);
  }
}
