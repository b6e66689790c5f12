import type { PrefetchPolicy } from '../../api/v1alpha1/prefetchpolicy.ts';
import { PrefetchPolicyReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import { daemonSets, deployments, replicaSets, statefulSets } from '../../kube/resources.ts';
import type { Deployment, HorizontalPodAutoscaler, Resource } from '../../kube/resources.ts';
import { resolveTemplate } from '../../rewriting/template.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { concerns } from '../../scaleout/concerns.ts';
import type { LabelSelector } from '../../scaleout/selector.ts';
import { stalled, waiting } from '../reconcile-error.ts';
import { nextArtifacts } from './newversion.ts';
import type { PrefetchPolicyDependencies } from './pass.ts';

const RETRY_MS = 30_000;

type PodTemplate = NonNullable<Deployment['spec']>['template'];

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

/** What the next Pods of a target run, and with which Secrets they pull it. */
export interface TargetImages {
  /**
   * The images to warm: those that the policy lists, or what the next Pods will run and, for a policy that warms new versions,
   * what a rollout would have them run.
   */
  readonly images: readonly string[];
  /** Those of them that are artifacts: they are known to stay, where a tag may be about to be converted. */
  readonly artifacts: readonly string[];
  readonly pullSecrets: readonly string[];
}

/**
 * Reads what the next Pods of a policy's target run.
 * @throws ReconcileError TargetForbidden, TargetNotFound
 */
export async function readTargetImages(
  policy: PrefetchPolicy,
  hpa: HorizontalPodAutoscaler,
  deps: TargetDependencies,
  signal: AbortSignal,
): Promise<TargetImages> {
  const { metadata, spec } = policy;
  if (spec.images !== undefined) {
    return { images: spec.images, artifacts: spec.images, pullSecrets: [] };
  }
  const template = (await readWorkload(deps.client, hpa, signal)).spec?.template ?? {};
  const { images, pullSecrets } = resolveTemplate(template, metadata.namespace, deps.index, deps.clock.now());
  const next = upcoming(template, policy, deps);
  const accelerated = images.filter(({ acceleratedImage }) => acceleratedImage !== undefined);
  return {
    images: [...new Set([...images.map(({ image }) => image), ...next])],
    artifacts: [...new Set([...accelerated.map(({ image }) => image), ...next])],
    pullSecrets,
  };
}

type TargetDependencies = Pick<PrefetchPolicyDependencies, 'client' | 'clock' | 'images' | 'index'>;

function upcoming(template: PodTemplate, { metadata, spec }: PrefetchPolicy, { images }: TargetDependencies): string[] {
  const { initContainers = [], containers = [] } = template.spec ?? {};
  const named = [...initContainers, ...containers].flatMap(({ image }) => (image === undefined ? [] : [image]));
  return spec.triggers.newVersion ? nextArtifacts(named, images.listNamespace(metadata.namespace)) : [];
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
