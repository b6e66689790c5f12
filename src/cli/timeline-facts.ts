import {
  deployments,
  events,
  pods,
  replicaSets,
  statefulSets,
  type Event,
  type Pod,
  type Resource,
} from '../kube/resources.ts';
import type { KubeObject } from '../runtime/object.ts';
import { replicaSetFacts, type ReplicaSets, type Workload } from '../scaleout/members.ts';
import { selectorText, type LabelSelector } from '../scaleout/selector.ts';
import { needed, type Gap, type Reader } from './reader.ts';
import type { Watched } from './timeline-target.ts';

/** Events that tell of a pull. */
export const PULLED = 'reason=Pulled';

/** What the user's rights let be known of the Pods of a workload. */
export interface TimelineFacts extends Watched {
  readonly workload: Workload;
  /** Label selector of the workload's Pods. */
  readonly selector: string;
  readonly pods: readonly Pod[];
  /** Those of {@link PULLED}. */
  readonly events: readonly Event[] | 'Forbidden';
  readonly replicaSets: ReplicaSets;
  readonly gaps: readonly Gap[];
}

/** What is read of a workload. */
interface Scaled extends KubeObject {
  spec?: { selector?: LabelSelector | undefined; ordinals?: { start?: number | undefined } | undefined } | undefined;
}

/** Workloads whose Pods can be found. */
const SCALED: Readonly<Record<string, Resource<Scaled>>> = {
  Deployment: deployments,
  StatefulSet: statefulSets,
  ReplicaSet: replicaSets,
};

/**
 * Reads the Pods of what an autoscaler scales, and the Events of their pulls.
 * @throws Error when the workload or its Pods cannot be read, saying what to do
 */
export async function gatherTimelineFacts(reader: Reader, watched: Watched): Promise<TimelineFacts> {
  const { workload, selector } = await readScaled(reader, watched);
  const namespace = watched.policy.metadata.namespace;
  const all = await needed(`list pods in namespace ${namespace}`, (gap) =>
    reader.list(pods, namespace, gap, { labelSelector: selector }),
  );
  const found = all === 'Missing' ? [] : all;
  const pulls = await reader.list(
    events,
    namespace,
    { right: `list events.events.k8s.io in namespace ${namespace}`, unknown: 'when the images were pulled' },
    { fieldSelector: PULLED },
  );
  return {
    ...watched,
    workload,
    selector,
    pods: found,
    events: pulls === 'Missing' ? [] : pulls,
    replicaSets: await readReplicaSets(reader, workload, namespace, found, new Map()),
    gaps: reader.gaps,
  };
}

/** Reads the ReplicaSets of a Deployment's Pods, but for those that are known. */
export async function readReplicaSets(
  reader: Reader,
  { kind }: Workload,
  namespace: string,
  of: readonly Pod[],
  known: ReplicaSets,
): Promise<ReplicaSets> {
  const all = new Map(known);
  for (const { metadata } of kind === 'Deployment' ? of : []) {
    const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
    if (owner?.kind === 'ReplicaSet' && !all.has(owner.uid)) {
      const found = await reader.get(
        replicaSets,
        { namespace, name: owner.name },
        {
          right: `get replicaset ${owner.name} in namespace ${namespace}`,
          unknown: "whether its Pods are a rollout's; they are taken to be of the scale-out",
        },
      );
      all.set(owner.uid, typeof found === 'string' ? found : replicaSetFacts(found));
    }
  }
  return all;
}

async function readScaled(
  reader: Reader,
  { policy, hpa }: Watched,
): Promise<{ readonly workload: Workload; readonly selector: string }> {
  const { namespace } = policy.metadata;
  const { kind = '', name = '' } = hpa.spec?.scaleTargetRef ?? {};
  const what = `${kind} ${namespace}/${name}`;
  const resource = Object.hasOwn(SCALED, kind) ? SCALED[kind] : undefined;
  if (resource === undefined) {
    throw new Error(`${what}: the Pods of ${Object.keys(SCALED).join(', ')} only can be told from others`);
  }
  const found = await needed(`get ${resource.plural} ${name} in namespace ${namespace}`, (gap) =>
    reader.get(resource, { namespace, name }, gap),
  );
  if (found === 'Missing') {
    throw new Error(`${what} does not exist: create it, or correct HorizontalPodAutoscaler ${hpa.metadata.name}`);
  }
  const selector = selectorText(found.spec?.selector);
  if (selector === undefined) {
    throw new Error(`${what} has no label selector that its Pods could be found by`);
  }
  const { metadata, spec } = found;
  return { workload: { kind, name, uid: metadata.uid ?? '', firstOrdinal: spec?.ordinals?.start }, selector };
}
