import { HOLDING, PrefetchPolicyReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { PrefetchPolicy, PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { Config } from '../../config.ts';
import { removeCondition, setCondition } from '../../runtime/conditions.ts';

/** Why no Pod can be held, as a condition says it. */
export interface HoldProblem {
  readonly reason: string;
  readonly message: string;
}

/** What stands in the way of holding, now. */
export function holdProblem(
  { hold, admission }: Pick<Config, 'hold' | 'admission'>,
  releaserAlive: () => boolean,
): HoldProblem | undefined {
  if (admission.mode === 'Policy') {
    return {
      reason: Reason.HoldNeedsWebhook,
      message:
        "new Pods do not wait: the API server itself rewrites them, and cannot know what is warm; set admission.mode to Webhook in the chart's values, or remove spec.hold",
    };
  }
  if (!hold.enabled) {
    return {
      reason: Reason.HoldDisabled,
      message: "new Pods do not wait: set hold.enabled to true in the chart's values, or remove spec.hold",
    };
  }
  return releaserAlive()
    ? undefined
    : {
        reason: Reason.ReleaserMissing,
        message: `new Pods do not wait: the releaser has not renewed its Lease ${hold.lease} lately; look at the Pods of its Deployment`,
      };
}

/** Sets the condition Holding on the status of a policy that holds, and takes it from any other. */
export function withHolding(
  policy: PrefetchPolicy,
  status: PrefetchPolicyStatus,
  problem: HoldProblem | undefined,
  now: Date,
): PrefetchPolicyStatus {
  const { conditions = [] } = status;
  if (policy.spec.hold === undefined) {
    return { ...status, conditions: removeCondition(conditions, HOLDING) };
  }
  const { maxDuration } = policy.spec.hold;
  const condition =
    problem === undefined
      ? {
          status: 'True' as const,
          reason: Reason.ReleaserAlive,
          message: `new Pods may wait for their images, ${maxDuration} at most`,
        }
      : { status: 'False' as const, ...problem };
  const { generation } = policy.metadata;
  return { ...status, conditions: setCondition(conditions, { type: HOLDING, ...condition }, { generation, now }) };
}
