import { randomUUID } from 'node:crypto';
import type { AcceleratedImage } from '../../../src/api/v1alpha1/acceleratedimage.ts';
import type { Namespace, Node } from '../../../src/kube/resources.ts';
import { RewriteIndex } from '../../../src/rewriting/index.ts';
import { capableNode, CONFIG, namespace, plainNode, readyImage, runtimeClass } from '../../support/rewriting.ts';

/** What the index of a big cluster holds. */
export interface BigCluster {
  readonly images: readonly AcceleratedImage[];
  readonly nodes: readonly Node[];
  readonly namespaces: readonly Namespace[];
}

const NAMESPACES = 200;
const POOLS = ['web', 'batch', 'gpu', 'edge'] as const;

/** 200 namespaces, their AcceleratedImages, and nodes in four pools and three zones, of which every fifth is plain. */
export function bigCluster(images: number, nodes: number): BigCluster {
  const now = new Date().toISOString();
  return {
    images: Array.from({ length: images }, (_, i) =>
      readyImage(`app-${i}`, imageName(i), {
        metadata: { namespace: `ns-${i % NAMESPACES}`, uid: randomUUID() },
        status: { source: { resolvedAt: now } },
      }),
    ),
    nodes: Array.from({ length: nodes }, (_, i) => nodeOf(i)),
    namespaces: Array.from({ length: NAMESPACES }, (_, i) => namespace(`ns-${i}`, { team: `team-${i % 20}` })),
  };
}

/** An index that has seen all of a cluster, as after the first lists of the informers. */
export function fill({ images, nodes, namespaces }: BigCluster): RewriteIndex {
  const index = new RewriteIndex(CONFIG);
  index.upsertRuntimeClass(runtimeClass());
  for (const each of namespaces) {
    index.upsertNamespace(each);
  }
  for (const node of nodes) {
    index.upsertNode(node);
  }
  for (const image of images) {
    index.upsertImage(image);
  }
  return index;
}

/** Whether the Pod of {@link reviewOf} runs an accelerated image: every other does. */
export function isAccelerated(i: number): boolean {
  return i % 2 === 0;
}

/**
 * A Pod of a Deployment as an AdmissionReview has it, of the size that such have: about 6 KB. Of four that are accelerated,
 * one has a nodeSelector, one a required affinity and one a volume claim.
 */
export function reviewOf(i: number, images: number): { namespace: string; object: object } {
  const app = (i * 7919) % images;
  const kind = (i >> 1) % 4;
  const image = isAccelerated(i) ? imageName(app) : `registry.test/other/app-${app}:1`;
  return {
    namespace: `ns-${app % NAMESPACES}`,
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        generateName: `app-${app}-5d4f7c9b8-`,
        labels: { app: `app-${app}`, 'pod-template-hash': '5d4f7c9b8', 'app.kubernetes.io/part-of': 'shop' },
        annotations: { 'prometheus.io/scrape': 'true', 'checksum/config': randomUUID() },
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `app-${app}`, uid: randomUUID(), controller: true },
        ],
      },
      spec: {
        initContainers: [initContainer('migrate', image)],
        containers: [container('app', image), container('proxy', 'registry.test/proxy:1.29')],
        serviceAccountName: 'default',
        terminationGracePeriodSeconds: 30,
        ...(kind === 1 ? { nodeSelector: { pool: POOLS[app % POOLS.length] } } : {}),
        ...(kind === 2 ? { affinity: zones(`zone-${app % 3}`) } : {}),
        tolerations: [
          { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
          { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
        ],
        volumes: [
          { name: 'config', configMap: { name: 'config' } },
          ...(kind === 3 ? [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] : []),
        ],
      },
    },
  };
}

function imageName(i: number): string {
  return `registry.test/shop/app-${i}:1.${i % 10}`;
}

function nodeOf(i: number): Node {
  const labels = {
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/os': 'linux',
    'topology.kubernetes.io/zone': `zone-${i % 3}`,
    'node.kubernetes.io/instance-type': 'm6i.4xlarge',
    pool: POOLS[i % POOLS.length],
  };
  return i % 5 === 0
    ? plainNode(`node-${i}`, { metadata: { labels } })
    : capableNode(`node-${i}`, { metadata: { labels } });
}

function zones(zone: string): object {
  const matchExpressions = [
    { key: 'topology.kubernetes.io/zone', operator: 'In', values: [zone] },
    { key: 'node.kubernetes.io/exclude', operator: 'DoesNotExist' },
  ];
  return {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
  };
}

function initContainer(name: string, image: string): object {
  const { readinessProbe: _, ...rest } = container(name, image);
  return rest;
}

function container(name: string, image: string): { readinessProbe: object } & Record<string, unknown> {
  return {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    env: Array.from({ length: 20 }, (_, i) => ({ name: `SETTING_${i}`, value: `value-of-setting-${i}` })),
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
    readinessProbe: {
      httpGet: { path: '/healthz', port: 8080, scheme: 'HTTP' },
      periodSeconds: 5,
      failureThreshold: 3,
    },
    volumeMounts: [{ name: 'config', mountPath: '/etc/config', readOnly: true }],
    terminationMessagePath: '/dev/termination-log',
    securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
}
