import type { PrefetchPolicy } from '../api/v1alpha1/prefetchpolicy.ts';
import {
  horizontalPodAutoscalers,
  prefetchPolicies,
  type HorizontalPodAutoscaler,
  type Resource,
} from '../kube/resources.ts';
import type { KubeObject } from '../runtime/object.ts';
import { concerns } from '../scaleout/concerns.ts';
import { needed, type Reader } from './reader.ts';

/** Kinds that a target may be of, by the names that kubectl takes for them. */
const KINDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    PrefetchPolicy: ['pfp', 'prefetchpolicy', 'prefetchpolicies', 'prefetchpolicies.slipstream.dev'],
    HorizontalPodAutoscaler: ['hpa', 'horizontalpodautoscaler', 'horizontalpodautoscalers'],
    Deployment: ['deploy', 'deployment', 'deployments', 'deployment.apps', 'deployments.apps'],
    StatefulSet: ['sts', 'statefulset', 'statefulsets', 'statefulset.apps', 'statefulsets.apps'],
    ReplicaSet: ['rs', 'replicaset', 'replicasets', 'replicaset.apps', 'replicasets.apps'],
  }).flatMap(([kind, names]) => names.map((name) => [name, kind] as const)),
);

/** What is asked about. */
export interface Target {
  readonly kind: string;
  readonly name: string;
}

/** A policy and the autoscaler that it watches. */
export interface Watched {
  readonly policy: PrefetchPolicy;
  readonly hpa: HorizontalPodAutoscaler;
}

/**
 * Reads `KIND/NAME`.
 * @throws Error saying which kinds there are
 */
export function parseTarget(text: string): Target {
  const [, kind = '', name] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
  const known = KINDS.get(kind.toLowerCase());
  if (known === undefined || name === undefined) {
    throw new Error(
      `cannot show the time line of ${text}: name what scales as pfp/NAME, hpa/NAME, deploy/NAME, sts/NAME or rs/NAME`,
    );
  }
  return { kind: known, name };
}

/**
 * Finds the policy and the autoscaler of a target.
 * @throws Error saying which of them is missing or may not be read, and what to do
 */
export async function findWatched(reader: Reader, target: Target, namespace: string): Promise<Watched> {
  const policies = await listed(reader, prefetchPolicies, namespace);
  const hpas = await listed(reader, horizontalPodAutoscalers, namespace);
  const wanted = policies.flatMap((policy) => {
    const hpa = hpas.find((each) => concerns(policy, each));
    return hpa === undefined ? [] : [{ policy, hpa }];
  });
  const found = wanted.find((watched) => isOf(target, watched));
  if (found === undefined) {
    throw new Error(missing(target, namespace, policies));
  }
  return found;
}

async function listed<T extends KubeObject>(
  reader: Reader,
  resource: Resource<T>,
  namespace: string,
): Promise<readonly T[]> {
  const { plural } = resource;
  const found = await needed(`list ${plural} in namespace ${namespace}`, (gap) =>
    reader.list(resource, namespace, gap),
  );
  if (found === 'Missing') {
    throw new Error(`the API server does not know ${plural}: install Slipstream`);
  }
  return found;
}

function isOf({ kind, name }: Target, { policy, hpa }: Watched): boolean {
  switch (kind) {
    case 'PrefetchPolicy':
      return policy.metadata.name === name;
    case 'HorizontalPodAutoscaler':
      return hpa.metadata.name === name;
    default:
      return hpa.spec?.scaleTargetRef.kind === kind && hpa.spec.scaleTargetRef.name === name;
  }
}

function missing({ kind, name }: Target, namespace: string, policies: readonly PrefetchPolicy[]): string {
  if (kind !== 'PrefetchPolicy') {
    return `no PrefetchPolicy of the namespace ${namespace} watches ${kind} ${name}: create one, or name the namespace by --namespace`;
  }
  return policies.some(({ metadata }) => metadata.name === name)
    ? `PrefetchPolicy ${namespace}/${name} watches no HorizontalPodAutoscaler that exists: see kubectl describe pfp ${name}`
    : `there is no PrefetchPolicy ${name} in the namespace ${namespace}: name its namespace by --namespace`;
}
