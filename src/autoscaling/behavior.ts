/** One policy of a HorizontalPodAutoscaler's behaviour: at most so many Pods, or so many per cent, in a period. */
export interface ScalingPolicy {
  readonly type: string;
  readonly value: number;
  readonly periodSeconds: number;
}

/** `spec.behavior.scaleUp` or `.scaleDown`, as the API server serves it. */
export interface ScalingRulesSpec {
  readonly tolerance?: string | undefined;
  readonly stabilizationWindowSeconds?: number | undefined;
  readonly selectPolicy?: string | undefined;
  readonly policies?: readonly ScalingPolicy[] | null | undefined;
}

/** The rules of one direction, with every default filled in. */
export interface ScalingRules {
  readonly stabilizationMs: number;
  readonly select: 'Max' | 'Min' | 'Disabled';
  readonly policies: readonly ScalingPolicy[];
}

/** The rules of both directions; undefined where the autoscaler has no `spec.behavior`, and older fixed limits hold. */
export type Behavior = { readonly up: ScalingRules; readonly down: ScalingRules } | undefined;

/** A change of the number of replicas that the autoscaler made, as a positive number. */
export interface ScaleEvent {
  readonly at: number;
  readonly change: number;
}

/** Changes that the autoscaler made lately. */
export interface ScaleEvents {
  readonly up: readonly ScaleEvent[];
  readonly down: readonly ScaleEvent[];
}

/** How often an autoscaler looks: kube-controller-manager's `--horizontal-pod-autoscaler-sync-period`. */
export const SYNC_PERIOD_MS = 15_000;

/** kube-controller-manager's `--horizontal-pod-autoscaler-downscale-stabilization`. */
export const DOWNSCALE_STABILIZATION_MS = 300_000;

const MAX_INT32 = 2 ** 31 - 1;

// The defaults of autoscaling/v2 in pkg/apis/autoscaling/v2/defaults.go.
const UP: ScalingRules = {
  stabilizationMs: 0,
  select: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
const DOWN: ScalingRules = {
  stabilizationMs: DOWNSCALE_STABILIZATION_MS,
  select: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};

/** Fills in what an autoscaler's `spec.behavior` leaves out. */
export function behaviorOf(
  spec:
    { readonly scaleUp?: ScalingRulesSpec | undefined; readonly scaleDown?: ScalingRulesSpec | undefined } | undefined,
): Behavior {
  return spec === undefined ? undefined : { up: rulesOf(spec.scaleUp, UP), down: rulesOf(spec.scaleDown, DOWN) };
}

function rulesOf(spec: ScalingRulesSpec | undefined, defaults: ScalingRules): ScalingRules {
  const select = spec?.selectPolicy;
  const seconds = spec?.stabilizationWindowSeconds;
  return {
    stabilizationMs: seconds === undefined ? defaults.stabilizationMs : seconds * 1000,
    select: select === 'Min' || select === 'Disabled' ? select : defaults.select,
    policies: spec?.policies ?? defaults.policies,
  };
}

/**
 * The most replicas that the autoscaler may go to now. With `spec.behavior` as its policies say, counted from the replicas
 * at the start of each policy's period; without it the larger of twice the replicas and four, whatever came before.
 */
export function scaleUpLimit(currentReplicas: number, behavior: Behavior, events: ScaleEvents, now: number): number {
  if (behavior === undefined) {
    return Math.max(2 * currentReplicas, 4);
  }
  const { select, policies } = behavior.up;
  if (select === 'Disabled') {
    return currentReplicas;
  }
  const limits = policies.map((policy) => {
    const start = periodStart(currentReplicas, policy, events, now);
    // Rounded up: a share of few replicas must not be none.
    return policy.type === 'Pods' ? start + policy.value : Math.ceil(start * (1 + policy.value / 100));
  });
  const limit = select === 'Min' ? Math.min(...limits) : Math.max(...limits);
  return Math.min(MAX_INT32, Math.max(currentReplicas, limit));
}

/** The fewest replicas that the autoscaler may go to now; without `spec.behavior` there is no such limit. */
export function scaleDownLimit(currentReplicas: number, behavior: Behavior, events: ScaleEvents, now: number): number {
  if (behavior === undefined) {
    return 0;
  }
  const { select, policies } = behavior.down;
  if (select === 'Disabled') {
    return currentReplicas;
  }
  const limits = policies.map((policy) => {
    const start = periodStart(currentReplicas, policy, events, now);
    return policy.type === 'Pods' ? start - policy.value : Math.trunc(start * (1 - policy.value / 100));
  });
  // The most change is the fewest replicas.
  const limit = select === 'Min' ? Math.max(...limits) : Math.min(...limits);
  return Math.min(currentReplicas, limit);
}

/** Replicas that there were when the policy's period began. */
function periodStart(currentReplicas: number, policy: ScalingPolicy, events: ScaleEvents, now: number): number {
  const since = now - policy.periodSeconds * 1000;
  const sum = (changes: readonly ScaleEvent[]): number =>
    changes.reduce((total, { at, change }) => (at > since ? total + change : total), 0);
  return currentReplicas - sum(events.up) + sum(events.down);
}
