import type {
  EventsV1Event,
  V1ConfigMap,
  V1DaemonSet,
  V1Deployment,
  V1EndpointSlice,
  V1Job,
  V1Lease,
  V1MutatingWebhookConfiguration,
  V1Namespace,
  V1Node,
  V1ObjectMeta,
  V1Pod,
  V1ReplicaSet,
  V1RuntimeClass,
  V1Secret,
  V1StatefulSet,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import { GROUP, VERSION } from '../api/v1alpha1/group.ts';
import type { PrefetchPolicy } from '../api/v1alpha1/prefetchpolicy.ts';
import type { RewriteTable } from '../api/v1alpha1/rewritetable.ts';
import type { KubeObject } from '../runtime/object.ts';
import type { Json } from './json.ts';

declare const OBJECT: unique symbol;

/** A kind as the API server's paths name it, and the type of its objects. */
export interface Resource<T extends KubeObject> {
  /** API group; empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never there: it only carries the type. */
  readonly [OBJECT]?: T;
}

/** A built-in object as served: it always has a name. */
type Served<T> = Json<Omit<T, 'metadata'>> & { metadata: Json<V1ObjectMeta> & { name: string } };

export type ConfigMap = Served<V1ConfigMap>;
export type DaemonSet = Served<V1DaemonSet>;
export type Deployment = Served<V1Deployment>;
export type EndpointSlice = Served<V1EndpointSlice>;
export type Event = Served<EventsV1Event>;
export type HorizontalPodAutoscaler = Served<V2HorizontalPodAutoscaler>;
export type Job = Served<V1Job>;
export type Lease = Served<V1Lease>;
export type MutatingWebhookConfiguration = Served<V1MutatingWebhookConfiguration>;
export type Namespace = Served<V1Namespace>;
export type Node = Served<V1Node>;
export type Pod = Served<V1Pod>;
/** What a Pod uses, by the resource metrics API (k8s.io/metrics/pkg/apis/metrics/v1beta1). */
export interface PodMetrics extends KubeObject {
  metadata: Json<V1ObjectMeta> & { name: string };
  /** End of the window, RFC 3339. */
  timestamp: string;
  /** Go duration over which CPU was averaged. */
  window: string;
  containers: { name: string; usage: Record<string, string> }[];
}
export type ReplicaSet = Served<V1ReplicaSet>;
export type RuntimeClass = Served<V1RuntimeClass>;
export type Secret = Served<V1Secret>;
export type StatefulSet = Served<V1StatefulSet>;

export const pods = namespaced<Pod>('', 'v1', 'pods', 'Pod');
export const podMetrics = namespaced<PodMetrics>('metrics.k8s.io', 'v1beta1', 'pods', 'PodMetrics');
export const configMaps = namespaced<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap');
export const secrets = namespaced<Secret>('', 'v1', 'secrets', 'Secret');
export const nodes = clusterScoped<Node>('', 'v1', 'nodes', 'Node');
export const namespaces = clusterScoped<Namespace>('', 'v1', 'namespaces', 'Namespace');
export const jobs = namespaced<Job>('batch', 'v1', 'jobs', 'Job');
export const deployments = namespaced<Deployment>('apps', 'v1', 'deployments', 'Deployment');
export const statefulSets = namespaced<StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet');
export const replicaSets = namespaced<ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet');
export const daemonSets = namespaced<DaemonSet>('apps', 'v1', 'daemonsets', 'DaemonSet');
export const horizontalPodAutoscalers = namespaced<HorizontalPodAutoscaler>(
  'autoscaling',
  'v2',
  'horizontalpodautoscalers',
  'HorizontalPodAutoscaler',
);
export const leases = namespaced<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const endpointSlices = namespaced<EndpointSlice>('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice');
export const events = namespaced<Event>('events.k8s.io', 'v1', 'events', 'Event');
export const runtimeClasses = clusterScoped<RuntimeClass>('node.k8s.io', 'v1', 'runtimeclasses', 'RuntimeClass');
export const mutatingWebhookConfigurations = clusterScoped<MutatingWebhookConfiguration>(
  'admissionregistration.k8s.io',
  'v1',
  'mutatingwebhookconfigurations',
  'MutatingWebhookConfiguration',
);
export const acceleratedImages = namespaced<AcceleratedImage>(GROUP, VERSION, 'acceleratedimages', 'AcceleratedImage');
export const prefetchPolicies = namespaced<PrefetchPolicy>(GROUP, VERSION, 'prefetchpolicies', 'PrefetchPolicy');
export const rewriteTables = namespaced<RewriteTable>(GROUP, VERSION, 'rewritetables', 'RewriteTable');

/** `apiVersion` of a resource's objects. */
export function apiVersionOf({ group, version }: Resource<KubeObject>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Where one object is. */
export interface ObjectRef {
  namespace?: string | undefined;
  name: string;
}

/** URL path of a resource's collection; of every namespace where none is named. */
export function collectionPath(resource: Resource<KubeObject>, namespace?: string): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}/${resource.version}${scope}/${resource.plural}`;
}

/** URL path of one object or its subresource. Throws when the reference is incomplete. */
export function objectPath(resource: Resource<KubeObject>, ref: ObjectRef, subresource?: string): string {
  checkRef(resource, ref);
  const path = `${collectionPath(resource, ref.namespace)}/${encodeURIComponent(ref.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** Throws when a reference lacks the name or the namespace: the path would be that of the whole collection. */
export function checkRef(resource: Resource<KubeObject>, ref: ObjectRef): void {
  if (ref.name === '' || (resource.namespaced && (ref.namespace ?? '') === '')) {
    const needs = resource.namespaced ? 'a name and a namespace' : 'a name';
    throw new Error(`a ${resource.kind} needs ${needs}, not ${JSON.stringify(ref)}`);
  }
}

function namespaced<T extends KubeObject>(group: string, version: string, plural: string, kind: string): Resource<T> {
  return { group, version, plural, kind, namespaced: true };
}

function clusterScoped<T extends KubeObject>(
  group: string,
  version: string,
  plural: string,
  kind: string,
): Resource<T> {
  return { group, version, plural, kind, namespaced: false };
}
