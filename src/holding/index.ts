import type { PrefetchPolicy } from '../api/v1alpha1/prefetchpolicy.ts';
import type { Sample } from '../autoscaling/history.ts';
import type { HorizontalPodAutoscaler } from '../kube/resources.ts';
import type { Changes } from '../rewriting/fill.ts';

/** Autoscalers as the watches have them. */
export interface Autoscalers {
  /** Those of one namespace. */
  inNamespace(namespace: string): readonly HorizontalPodAutoscaler[];
  /** What one has reported lately, oldest first. */
  samples(hpa: HorizontalPodAutoscaler): readonly Sample[];
}

/** Everything that a decision to hold reads, kept in memory: the policies that hold, by namespace, and the autoscalers. */
export class HoldIndex {
  readonly autoscalers: Autoscalers;
  readonly #policies = new Map<string, Map<string, PrefetchPolicy>>();

  constructor(autoscalers: Autoscalers) {
    this.autoscalers = autoscalers;
  }

  /** Takes a policy as it is now; one without `spec.hold` is passed over. */
  upsert(policy: PrefetchPolicy): void {
    const { namespace, name } = policy.metadata;
    if (policy.spec.hold === undefined) {
      this.delete(policy);
      return;
    }
    const policies = this.#policies.get(namespace) ?? new Map<string, PrefetchPolicy>();
    this.#policies.set(namespace, policies.set(name, policy));
  }

  delete({ metadata: { namespace, name } }: PrefetchPolicy): void {
    const policies = this.#policies.get(namespace);
    policies?.delete(name);
    if (policies?.size === 0) {
      this.#policies.delete(namespace);
    }
  }

  /** The policies of a namespace that hold, in no order. */
  policies(namespace: string): Iterable<PrefetchPolicy> {
    return this.#policies.get(namespace)?.values() ?? [];
  }
}

/** Keeps an index in step with the policies that are watched. */
export function fillHoldIndex(index: HoldIndex, policies: Changes<PrefetchPolicy>): void {
  policies.onChange(({ type, object }) => (type === 'deleted' ? index.delete(object) : index.upsert(object)));
}
