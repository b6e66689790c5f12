import { PrefetchPolicyReason as Reason, WARM } from '../../api/v1alpha1/conditions.ts';
import type { PrefetchPolicy, PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import { EvaluationReason } from '../../autoscaling/reasons.ts';
import { combine } from '../../autoscaling/sign.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { HorizontalPodAutoscaler } from '../../kube/resources.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Outcome, ReconcileContext } from '../../runtime/controller.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Key } from '../../runtime/object.ts';
import { concerns } from '../../scaleout/concerns.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError, stalled } from '../reconcile-error.ts';
import { STALE_CACHE_MS } from '../status-writer.ts';
import { nextStatus } from './next-status.ts';
import type { Pass, PrefetchPolicyDependencies } from './pass.ts';
import { RETRY_MS } from './provider-errors.ts';
import { record } from './record.ts';
import type { Verdict } from './summary.ts';
import { findAutoscaler, readTargetImages } from './target.ts';
import type { TargetImages } from './target.ts';
import { lookAtTriggers } from './triggers.ts';
import { isAwaited } from './urgency.ts';
import { VERIFY_INTERVAL_MS, verifyAgain, warmFor } from './warm.ts';

/** Reconciles one PrefetchPolicy: see whether Pods will be created soon, warm what they will read, prove that it is warm. */
export async function reconcilePrefetchPolicy(
  key: Key,
  deps: PrefetchPolicyDependencies,
  { signal }: ReconcileContext,
): Promise<Outcome | void> {
  const policy = deps.policies.get(key);
  if (policy === undefined) {
    deps.status.forget(key);
    deps.newArtifacts.delete(key);
    return;
  }
  if (policy.metadata.deletionTimestamp !== undefined || policy.spec.suspend) {
    return;
  }
  if (!deps.status.isFresh(policy)) {
    return { requeueAfter: STALE_CACHE_MS };
  }
  const draft: PrefetchPolicyStatus = structuredClone(policy.status ?? {});
  let verdict: Verdict;
  let afterMs = VERIFY_INTERVAL_MS;
  try {
    const { nextMs, idle } = await observe(policy, draft, deps, signal);
    verdict = { kind: 'done', idle };
    afterMs = Math.min(afterMs, nextMs);
  } catch (error) {
    if (!(error instanceof ReconcileError)) {
      throw error;
    }
    verdict = { kind: 'failed', error };
    afterMs = error.afterMs ?? RETRY_MS;
  }
  const status = nextStatus(policy, draft, verdict, deps);
  await deps.status.write(policy, status, signal);
  announce(policy, status, deps.events);
  deps.metrics.observe(policy.status ?? {}, status);
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
): Promise<{ nextMs: number; idle: boolean }> {
  const hpa = findAutoscaler(policy, deps.autoscalers.listNamespace(policy.metadata.namespace));
  let images: Promise<TargetImages> | undefined;
  const target = (): Promise<TargetImages> => (images ??= readTargetImages(policy, hpa, deps, signal));
  const pass: Pass = { policy, draft, hpa, target, signal };
  const { signs, problems, evaluation, nextMs } = await lookAtTriggers(pass, deps);
  const sign = combine(signs);
  describe(pass, evaluation.currentReplicas, sign?.expectedReplicas);
  keepRecord(pass, deps, sign);
  const provider = deps.providers.get(policy.spec.warm.provider);
  if (provider === undefined) {
    const known = [...deps.providers.keys()].join(', ') || 'none';
    throw stalled(
      Reason.ProviderUnknown,
      `the operator's configuration has no provider ${policy.spec.warm.provider}; it has: ${known}`,
    );
  }
  if (sign !== undefined || isAwaited(draft)) {
    await warmFor(pass, provider, deps);
    keepRecord(pass, deps, undefined);
  } else if (draft.images?.some((image) => image.state === 'Warm') === true) {
    await verifyAgain(pass, provider, deps);
  }
  // Only now: one trigger that cannot be followed keeps no other from warming.
  if (problems[0] !== undefined) {
    throw problems[0];
  }
  return { nextMs, idle: evaluation.reason === EvaluationReason.ScaledToZero };
}

function describe({ draft, hpa }: Pass, currentReplicas: number, expectedReplicas: number = currentReplicas): void {
  const target = hpa.spec?.scaleTargetRef;
  draft.horizontalPodAutoscaler = hpa.metadata.name;
  draft.target = `${target?.kind}/${target?.name}`;
  draft.replicas = `${currentReplicas}→${expectedReplicas}`;
}

function keepRecord(
  { policy, draft, hpa }: Pass,
  { clock }: PrefetchPolicyDependencies,
  sign: Parameters<typeof record>[1]['sign'],
): void {
  const { mode, limits } = policy.spec;
  const cooldownMs = parseDuration(limits.cooldown);
  record(draft, { sign, hpa, cooldownMs, dryRun: mode === 'DryRun', now: clock.now() });
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
