import type { PrefetchPolicy } from '../api/v1alpha1/prefetchpolicy.ts';
import type { HorizontalPodAutoscaler } from '../kube/resources.ts';

/**
 * Whether a policy watches this autoscaler: the one that it names, the one of its target, or the one that KEDA made for its
 * ScaledObject, which it owns (https://keda.sh/docs/latest/concepts/scaling-deployments/).
 */
export function concerns({ metadata, spec }: PrefetchPolicy, hpa: HorizontalPodAutoscaler): boolean {
  if (metadata.namespace !== hpa.metadata.namespace) {
    return false;
  }
  const { scaleTargetRef } = spec;
  if (scaleTargetRef === undefined) {
    return hpa.metadata.name === spec.horizontalPodAutoscalerRef?.name;
  }
  const owners = scaleTargetRef.kind === 'ScaledObject' ? (hpa.metadata.ownerReferences ?? []) : [];
  return [hpa.spec?.scaleTargetRef, ...owners].some(
    (target) => target?.kind === scaleTargetRef.kind && target.name === scaleTargetRef.name,
  );
}
