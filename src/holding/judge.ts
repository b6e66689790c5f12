import { READY } from '../api/v1alpha1/conditions.ts';
import { durationMs } from '../api/v1alpha1/duration.ts';
import type { PrefetchPolicy, WarmImage } from '../api/v1alpha1/prefetchpolicy.ts';
import { evaluate } from '../autoscaling/evaluate.ts';
import { concerns } from '../scaleout/concerns.ts';
import type { HoldIndex } from './index.ts';
import { ReleaseReason } from './reasons.ts';
import type { Subject } from './subject.ts';

/** Whether a Pod is to wait: for how long at most, as the policy has it, or why not. */
export type Verdict =
  { readonly held: true; readonly maxDuration: string } | { readonly held: false; readonly reason: ReleaseReason };

/**
 * Whether a Pod is to wait now. Pure. The same question is asked of a new Pod and, again and again, of one that waits, so that
 * nothing waits for what nobody would wait for: a Pod waits only
 *
 * - for a policy that was looked at as it is now, warms, and has nothing in its way,
 * - whose target the Pod belongs to, and which warms an image that the Pod runs,
 * - while one of these images is on no seed peer as a whole,
 * - and is on its way, or is about to be as the autoscaler says that a scale-out is near: the warm follows within moments.
 *
 * So the Pods of an idle workload never wait, be it for a rollout or because they were evicted; nor do those whose images are
 * not what is warmed.
 */
export function judge(subject: Subject, index: HoldIndex, now: Date): Verdict {
  let reason: ReleaseReason = ReleaseReason.NotAsked;
  for (const policy of index.policies(subject.namespace)) {
    if (!subject.workloads.includes(policy.status?.target ?? '')) {
      continue;
    }
    const objection = objectionOf(policy, subject, index, now);
    if (objection === undefined && policy.spec.hold !== undefined) {
      return { held: true, maxDuration: policy.spec.hold.maxDuration };
    }
    reason = objection ?? reason;
  }
  return { held: false, reason };
}

function objectionOf(policy: PrefetchPolicy, subject: Subject, index: HoldIndex, now: Date): ReleaseReason | undefined {
  if (!isInForce(policy)) {
    return ReleaseReason.NotAsked;
  }
  const known = policy.status?.images ?? [];
  const own = known.filter(({ image }) => subject.images.has(image));
  if (own.length > 0 && own.every(isOnSeed)) {
    return ReleaseReason.Warm;
  }
  if (policy.status?.conditions?.find(({ type }) => type === READY)?.status !== 'True') {
    return ReleaseReason.WarmFailed;
  }
  if (known.length > 0 && own.length === 0) {
    return ReleaseReason.NotExpected;
  }
  return isWarming(policy, own, now) || isScaleOutNear(policy, index, now) ? undefined : ReleaseReason.NotExpected;
}

/** Whether what the status says is about the policy as it is now, and that warms. */
function isInForce({ metadata, spec, status }: PrefetchPolicy): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    !spec.suspend &&
    spec.mode === 'Warm' &&
    status?.observedGeneration === metadata.generation
  );
}

function isOnSeed({ state, firstSeedAt }: WarmImage): boolean {
  return state === 'Warm' || (state === 'Warming' && firstSeedAt !== undefined);
}

/** A status that a leader left behind says Warming for good; but a warm ends by its timeout. */
function isWarming({ spec, status }: PrefetchPolicy, images: readonly WarmImage[], now: Date): boolean {
  const startedAt = Date.parse(status?.decision?.warmStartedAt ?? '');
  return (
    images.some(({ state }) => state === 'Warming') && now.getTime() < startedAt + (durationMs(spec.warm.timeout) ?? 0)
  );
}

function isScaleOutNear(policy: PrefetchPolicy, { autoscalers }: HoldIndex, now: Date): boolean {
  const hpa = autoscalers.inNamespace(policy.metadata.namespace).find((each) => concerns(policy, each));
  if (hpa === undefined) {
    return false;
  }
  const { threshold, horizon } = policy.spec.triggers.autoscaler;
  const options = { threshold: Number(threshold), horizonMs: durationMs(horizon) ?? 0, now };
  return evaluate(hpa, autoscalers.samples(hpa), options).scaleOutNear;
}
