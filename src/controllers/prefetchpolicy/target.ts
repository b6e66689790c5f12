import type { PrefetchPolicy } from '../../api/v1alpha1/prefetchpolicy.ts';
import { PrefetchPolicyReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import { daemonSets, deployments, replicaSets, statefulSets } from '../../kube/resources.ts';
import type { Deployment, HorizontalPodAutoscaler, Resource } from '../../kube/resources.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { concerns } from '../../scaleout/concerns.ts';
import type { LabelSelector } from '../../scaleout/selector.ts';
import { stalled, waiting } from '../reconcile-error.ts';

export { concerns };

const RETRY_MS = 30_000;

export type PodTemplate = NonNullable<Deployment['spec']>['template'];

/** What is read of a workload that an autoscaler scales. */
export interface ScaledWorkload extends KubeObject {
  spec?:
    | {
        template?: PodTemplate | undefined;
        selector?: LabelSelector | undefined;
        /** Of a StatefulSet only. */
        ordinals?: { start?: number | undefined } | undefined;
      }
    | undefined;
}

/** Workloads that the operator may read. */
const READABLE: Readonly<Record<string, Resource<ScaledWorkload>>> = {
  Deployment: deployments,
  StatefulSet: statefulSets,
  ReplicaSet: replicaSets,
  DaemonSet: daemonSets,
};

/**
 * The autoscaler that a policy is about: the one it names, or the one that scales its target.
 * @throws ReconcileError AutoscalerNotFound
 */
export function findAutoscaler(
  policy: PrefetchPolicy,
  hpas: readonly HorizontalPodAutoscaler[],
): HorizontalPodAutoscaler {
  const found = hpas.find((hpa) => concerns(policy, hpa));
  if (found === undefined) {
    const { scaleTargetRef, horizontalPodAutoscalerRef } = policy.spec;
    const wanted =
      scaleTargetRef === undefined
        ? `HorizontalPodAutoscaler ${policy.metadata.namespace}/${horizontalPodAutoscalerRef?.name}`
        : `a HorizontalPodAutoscaler for ${scaleTargetRef.kind} ${policy.metadata.namespace}/${scaleTargetRef.name}`;
    throw waiting(Reason.AutoscalerNotFound, `${wanted} does not exist; create it, or correct the spec`, RETRY_MS);
  }
  return found;
}

/**
 * The Pod template of the workload that an autoscaler scales.
 * @throws ReconcileError TargetForbidden, TargetNotFound
 */
export async function readTemplate(
  client: KubeClient,
  hpa: HorizontalPodAutoscaler,
  signal: AbortSignal,
): Promise<PodTemplate> {
  return (await readWorkload(client, hpa, signal)).spec?.template ?? {};
}

/**
 * The workload that an autoscaler scales.
 * @throws ReconcileError TargetForbidden, TargetNotFound
 */
export async function readWorkload(
  client: KubeClient,
  hpa: HorizontalPodAutoscaler,
  signal: AbortSignal,
): Promise<ScaledWorkload> {
  const namespace = hpa.metadata.namespace ?? '';
  const { kind = '', name = '' } = hpa.spec?.scaleTargetRef ?? {};
  const label = `${kind} ${namespace}/${name}`;
  const resource = Object.hasOwn(READABLE, kind) ? READABLE[kind] : undefined;
  if (resource === undefined) {
    throw stalled(
      Reason.TargetForbidden,
      `${label}: Slipstream reads the Pod template of ${Object.keys(READABLE).join(', ')} only; list the images under spec.images`,
    );
  }
  try {
    return await client.get(resource, { namespace, name }, signal);
  } catch (error) {
    if (isNotFound(error)) {
      throw waiting(
        Reason.TargetNotFound,
        `${label} does not exist; create it, or correct the HorizontalPodAutoscaler`,
        RETRY_MS,
        error,
      );
    }
    if (isForbidden(error)) {
      throw stalled(
        Reason.TargetForbidden,
        `Slipstream may not read ${label}; list the images under spec.images`,
        error,
      );
    }
    throw error;
  }
}
