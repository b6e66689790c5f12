import type { PrefetchPolicy } from '../api/v1alpha1/prefetchpolicy.ts';
import type { HorizontalPodAutoscaler } from '../kube/resources.ts';

/** Whether a policy watches this autoscaler. */
export function concerns({ metadata, spec }: PrefetchPolicy, hpa: HorizontalPodAutoscaler): boolean {
  if (metadata.namespace !== hpa.metadata.namespace) {
    return false;
  }
  const target = hpa.spec?.scaleTargetRef;
  return spec.scaleTargetRef === undefined
    ? hpa.metadata.name === spec.horizontalPodAutoscalerRef?.name
    : target?.kind === spec.scaleTargetRef.kind && target.name === spec.scaleTargetRef.name;
}
