import { fieldsOf, stringMapOf } from '../rewriting/json.ts';
import type { PodFacts } from '../rewriting/pod.ts';
import { readPod } from '../rewriting/pod.ts';

/** What is looked at to tell whether a Pod is to wait. */
export interface Subject {
  readonly namespace: string;
  /** `Kind/name` of the workloads that it may belong to, as `status.target` of a policy has it. */
  readonly workloads: readonly string[];
  /** References that its containers run. */
  readonly images: ReadonlySet<string>;
}

/** Set by the Deployment controller on its ReplicaSets, their Pods and as the end of their names. */
const TEMPLATE_HASH_LABEL = 'pod-template-hash';

/** Reads a Pod, from whatever JSON came in. */
export function subjectOf(pod: unknown, namespace: string, facts: PodFacts = readPod(pod)): Subject {
  const labels = stringMapOf(fieldsOf(fieldsOf(pod)['metadata'])['labels']);
  return {
    namespace,
    workloads: workloadsOf(facts, labels.get(TEMPLATE_HASH_LABEL)),
    images: new Set(facts.containers.map(({ image }) => image)),
  };
}

/** Of the built-in workloads that an autoscaler scales; any other's Pods never wait. */
function workloadsOf({ owner }: PodFacts, hash: string | undefined): readonly string[] {
  if (owner?.group !== 'apps' || (owner.kind !== 'ReplicaSet' && owner.kind !== 'StatefulSet')) {
    return [];
  }
  const own = `${owner.kind}/${owner.name}`;
  const suffix = `-${hash}`;
  return owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(suffix)
    ? [own, `Deployment/${owner.name.slice(0, -suffix.length)}`]
    : [own];
}
