import type { PrefetchPolicy, PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import { withHolding } from './hold.ts';
import type { PrefetchPolicyDependencies } from './pass.ts';
import { summarise } from './summary.ts';
import type { Verdict } from './summary.ts';

/** The whole status that says what a pass came to, or how far it is: admission and kubectl read one as the other. */
export function nextStatus(
  policy: PrefetchPolicy,
  draft: PrefetchPolicyStatus,
  verdict: Verdict,
  { clock, holdProblem }: PrefetchPolicyDependencies,
): PrefetchPolicyStatus {
  const now = clock.now();
  return withHolding(policy, summarise(policy, draft, verdict, now), holdProblem(), now);
}
