import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import type { Namespace, Node, Pod, RuntimeClass } from '../../src/kube/resources.ts';
import { WORKLOAD_KINDS, type RewriteConfig } from '../../src/rewriting/config.ts';
import { RewriteIndex } from '../../src/rewriting/index.ts';
import { acceleratedImage, node, pod } from '../gen/objects.ts';
import { merge, type Overrides } from './merge.ts';

export const NOW = new Date('2026-03-01T12:00:00Z');

/** What the source of {@link readyImage} resolves to. */
export const SOURCE_DIGEST = `sha256:${'5'.repeat(64)}`;
/** Its artifact. */
export const ARTIFACT_DIGEST = `sha256:${'a'.repeat(64)}`;
export const OTHER_DIGEST = `sha256:${'0'.repeat(64)}`;

export const CONFIG: RewriteConfig = {
  operatorNamespace: 'slipstream-system',
  runtimeHandler: 'nydus',
  runtimeClassName: 'nydus',
  ownerKinds: WORKLOAD_KINDS,
};

/** Nydus is every node's default snapshotter. */
export const DEFAULT_SNAPSHOTTER: RewriteConfig = { ...CONFIG, runtimeClassName: '' };

/** An AcceleratedImage of `team-a` whose artifact `<source>-nydus` for linux/amd64 is verified; its tag was just resolved. */
export function readyImage(name: string, source: string, overrides: Overrides = {}): AcceleratedImage {
  const untagged = source.split('@')[0] ?? source;
  const ready = {
    spec: { source: { image: source } },
    status: {
      source: { image: source, digest: SOURCE_DIGEST, resolvedAt: NOW.toISOString() },
      artifact: {
        image: `${untagged}-nydus@${ARTIFACT_DIGEST}`,
        digest: ARTIFACT_DIGEST,
        sourceDigest: SOURCE_DIGEST,
        format: 'RafsV6',
        builder: 'nydus-image 2.4.4',
        convertedAt: NOW.toISOString(),
        platforms: [{ platform: 'linux/amd64', digest: ARTIFACT_DIGEST, size: 1, bootstrapSize: 1 }],
      },
      conditions: [
        { type: 'Ready', status: 'True', reason: 'Ready', message: '', lastTransitionTime: NOW.toISOString() },
      ],
    },
  };
  return acceleratedImage(name, merge(ready, overrides));
}

/** A Ready node without the runtime handler. */
export function plainNode(name: string, overrides: Overrides = {}): Node {
  const plain = {
    metadata: { labels: { 'kubernetes.io/hostname': name } },
    status: {
      nodeInfo: { operatingSystem: 'linux', architecture: 'amd64' },
      conditions: [{ type: 'Ready', status: 'True' }],
      runtimeHandlers: [{ name: '' }, { name: 'runc' }],
    },
  };
  return node(name, merge(plain, overrides));
}

/** A Ready node that reports the handler `nydus` and carries the label that the RuntimeClass selects by. */
export function capableNode(name: string, overrides: Overrides = {}): Node {
  const capable = {
    metadata: { labels: { 'slipstream.dev/nydus': 'true' } },
    status: { runtimeHandlers: [{ name: '' }, { name: 'runc' }, { name: 'nydus' }] },
  };
  return plainNode(name, merge(capable, overrides));
}

/** A Pod of a Deployment in `team-a` with one container `web` of the given image. */
export function webPod(image: string, overrides: Overrides = {}): Pod {
  const web = {
    metadata: { labels: { app: 'web' }, ownerReferences: [owner('apps/v1', 'ReplicaSet')] },
    spec: { containers: [{ name: 'web', image, imagePullPolicy: 'IfNotPresent' }] },
  };
  return pod('web-5d4f', merge(web, overrides));
}

/** A controller's ownerReference. */
export function owner(apiVersion: string, kind: string): object {
  return { apiVersion, kind, name: 'web', uid: '1', controller: true };
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): Namespace {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { ...labels } } };
}

/** The RuntimeClass of the chart. */
export function runtimeClass(overrides: Overrides = {}): RuntimeClass {
  return {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'nydus' },
    handler: 'nydus',
    scheduling: { nodeSelector: { 'slipstream.dev/nydus': 'true' } },
    ...overrides,
  };
}

/** What to fill an index with. Left out: one capable node, the Namespaces `team-a` and `team-b`, the chart's RuntimeClass. */
export interface Cluster {
  config?: RewriteConfig;
  images?: readonly AcceleratedImage[];
  nodes?: readonly Node[];
  namespaces?: readonly Namespace[];
  runtimeClasses?: readonly RuntimeClass[];
}

/** An index that has seen a cluster. */
export function indexOf(cluster: Cluster = {}): RewriteIndex {
  const index = new RewriteIndex(cluster.config ?? CONFIG);
  for (const image of cluster.images ?? []) {
    index.upsertImage(image);
  }
  for (const each of cluster.nodes ?? [capableNode('n1')]) {
    index.upsertNode(each);
  }
  for (const each of cluster.namespaces ?? [namespace('team-a'), namespace('team-b')]) {
    index.upsertNamespace(each);
  }
  for (const each of cluster.runtimeClasses ?? [runtimeClass()]) {
    index.upsertRuntimeClass(each);
  }
  return index;
}
