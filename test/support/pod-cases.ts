import type { Pod } from '../../src/kube/resources.ts';
import { WORKLOAD_KINDS } from '../../src/rewriting/config.ts';
import { SkipReason } from '../../src/rewriting/reasons.ts';
import type { Overrides } from './merge.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  DEFAULT_SNAPSHOTTER,
  namespace,
  NOW,
  OTHER_DIGEST,
  owner,
  plainNode,
  readyImage,
  runtimeClass,
  SOURCE_DIGEST,
  webPod,
  type Cluster,
} from './rewriting.ts';

/** What the AcceleratedImage of the cases names. */
export const SOURCE = 'registry.test/web:1';
/** Its artifact. */
export const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;

/** A Pod that is admitted, and where. */
export interface PodCase {
  readonly pod: Pod;
  /** Its AcceleratedImage is {@link SOURCE} in `team-a` where none is given. */
  readonly cluster?: Cluster;
  /** `team-a` where none is given. */
  readonly namespace?: string;
}

const MINUTE = 60_000;

/** The least that a claim has to say. */
const CLAIM = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };

/** The time so many milliseconds before the test's. */
export function agoISO(ms: number): string {
  return new Date(NOW.getTime() - ms).toISOString();
}

function affinity(...matchExpressions: object[]): object {
  return {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
  };
}

/** As the DaemonSet controller pins its Pods. */
function pinnedTo(name: string): object {
  return {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
      },
    },
  };
}

function taint(key: string, effect: string): Overrides {
  return { spec: { taints: [{ key, effect }] } };
}

const EU = { metadata: { labels: { 'topology.kubernetes.io/region': 'eu' } } };

/** The image of the cases with a verified copy in the region `eu`. */
function copiedImage(): ReturnType<typeof readyImage> {
  const repository = 'registry.eu.test/web';
  const image = `${repository}:1-nydus@${ARTIFACT_DIGEST}`;
  return readyImage('web', SOURCE, {
    spec: { replicas: [{ region: 'eu', repository }] },
    status: { replicas: [{ region: 'eu', hash: 'eu', image, digest: ARTIFACT_DIGEST, state: 'Ready' }] },
  });
}

/** Pods that are rewritten, by what is special about them. */
export const REWRITTEN_PODS: Readonly<Record<string, PodCase>> = {
  'when its image has a verified artifact and a capable node can take it': { pod: webPod(SOURCE) },
  'when it has no owner': { pod: webPod(SOURCE, { metadata: { ownerReferences: [] } }) },
  'when only a non-controller owns it': {
    pod: webPod(SOURCE, {
      metadata: { ownerReferences: [{ apiVersion: 'x.io/v1', kind: 'X', name: 'x', uid: '1' }] },
    }),
  },
  'when a StatefulSet owns it': {
    pod: webPod(SOURCE, { metadata: { ownerReferences: [owner('apps/v1', 'StatefulSet')] } }),
  },
  'when a DaemonSet owns it': {
    pod: webPod(SOURCE, { metadata: { ownerReferences: [owner('apps/v1', 'DaemonSet')] } }),
  },
  'when a Job owns it': { pod: webPod(SOURCE, { metadata: { ownerReferences: [owner('batch/v1', 'Job')] } }) },
  'when a ReplicationController owns it': {
    pod: webPod(SOURCE, { metadata: { ownerReferences: [owner('v1', 'ReplicationController')] } }),
  },
  'when its own owner kind is listed': {
    pod: webPod(SOURCE, { metadata: { ownerReferences: [owner('apps.kruise.io/v1', 'CloneSet')] } }),
    cluster: {
      config: {
        operatorNamespace: 'ops',
        runtimeHandler: 'nydus',
        runtimeClassName: 'nydus',
        ownerKinds: [...WORKLOAD_KINDS, 'CloneSet.apps.kruise.io'],
      },
    },
  },
  'when it pins the digest that was converted': { pod: webPod(`registry.test/web@${SOURCE_DIGEST}`) },
  'when it pins that digest beside another tag, which means nothing': {
    pod: webPod(`registry.test/web:9@${SOURCE_DIGEST}`),
  },
  'when a tag that it pins by digest has moved on': {
    pod: webPod(`${SOURCE}@${SOURCE_DIGEST}`),
    cluster: { images: [readyImage('web', SOURCE, { status: { source: { digest: OTHER_DIGEST } } })] },
  },
  'when the source is a digest that was resolved long ago': {
    pod: webPod(`registry.test/web@${SOURCE_DIGEST}`),
    cluster: {
      images: [
        readyImage('web', `registry.test/web@${SOURCE_DIGEST}`, { status: { source: { resolvedAt: agoISO(1e10) } } }),
      ],
    },
  },
  'when it pins a digest and the tag has become stale': {
    pod: webPod(`registry.test/web@${SOURCE_DIGEST}`),
    cluster: { images: [readyImage('web', SOURCE, { status: { source: { resolvedAt: agoISO(60 * MINUTE) } } })] },
  },
  'when its object is suspended, since what is ready stays in use': {
    pod: webPod(SOURCE),
    cluster: {
      images: [
        readyImage('web', SOURCE, {
          spec: { suspend: true },
          status: { source: { resolvedAt: agoISO(60 * MINUTE) } },
        }),
      ],
    },
  },
  'up to two intervals after its tag was resolved': {
    pod: webPod(SOURCE),
    cluster: { images: [readyImage('web', SOURCE, { status: { source: { resolvedAt: agoISO(10 * MINUTE) } } })] },
  },
  'when it names the image in the short form': {
    pod: webPod('nginx'),
    cluster: { images: [readyImage('web', 'docker.io/library/nginx:latest')] },
  },
  'when the object names the image in the short form': {
    pod: webPod('index.docker.io/library/nginx:latest'),
    cluster: { images: [readyImage('web', 'nginx')] },
  },
  'when only plain nodes exist besides, which the RuntimeClass keeps it from': {
    pod: webPod(SOURCE),
    cluster: { nodes: [plainNode('p1'), capableNode('n1')] },
  },
  'when its RuntimeClass is ours already': { pod: webPod(SOURCE, { spec: { runtimeClassName: 'nydus' } }) },
  'when it tolerates the taint of the capable nodes': {
    pod: webPod(SOURCE, { spec: { tolerations: [{ key: 'gpu', operator: 'Exists' }] } }),
    cluster: { nodes: [capableNode('n1', { spec: { taints: [{ key: 'gpu', value: 'a', effect: 'NoSchedule' }] } })] },
  },
  'when the RuntimeClass tolerates that taint for it': {
    pod: webPod(SOURCE),
    cluster: {
      nodes: [capableNode('n1', { spec: { taints: [{ key: 'gpu', value: 'a', effect: 'NoSchedule' }] } })],
      runtimeClasses: [
        runtimeClass({
          scheduling: {
            nodeSelector: { 'slipstream.dev/nydus': 'true' },
            tolerations: [{ key: 'gpu', operator: 'Equal', value: 'a', effect: 'NoSchedule' }],
          },
        }),
      ],
    },
  },
  'when a capable node has the devices that it asks for': {
    pod: webPod(SOURCE, {
      spec: { containers: [{ name: 'web', image: SOURCE, resources: { limits: { 'nvidia.com/gpu': '2' } } }] },
    }),
    cluster: { nodes: [capableNode('n1', { status: { allocatable: { cpu: '4', 'nvidia.com/gpu': '2' } } })] },
  },
  'when it is bound to a capable node by name': { pod: webPod(SOURCE, { spec: { nodeName: 'n1' } }) },
  'when a DaemonSet pins it to a capable node': {
    pod: webPod(SOURCE, { spec: { affinity: pinnedTo('n1') } }),
    cluster: { nodes: [plainNode('p1'), capableNode('n1')] },
  },
  'when it has volumes and the RuntimeClass excludes no node that it may use': {
    pod: webPod(SOURCE, { spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] } }),
  },
  'when it has volumes and says itself that it wants capable nodes': {
    pod: webPod(SOURCE, {
      spec: {
        nodeSelector: { 'slipstream.dev/nydus': 'true' },
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      },
    }),
    cluster: { nodes: [plainNode('p1'), capableNode('n1')] },
  },
  'when it is of a platform that the artifact has, though other capable nodes are not': {
    pod: webPod(SOURCE, { spec: { nodeSelector: { pool: 'x86' } } }),
    cluster: {
      nodes: [
        capableNode('n1', { metadata: { labels: { pool: 'x86' } } }),
        capableNode('n2', { status: { nodeInfo: { operatingSystem: 'linux', architecture: 'arm64' } } }),
      ],
    },
  },
  'when the artifact spells the platform with the variant that is the default': {
    pod: webPod(SOURCE),
    cluster: {
      images: [
        readyImage('web', SOURCE, {
          status: {
            artifact: {
              platforms: [{ platform: 'linux/arm64/v8', digest: ARTIFACT_DIGEST, size: 1, bootstrapSize: 1 }],
            },
          },
        }),
      ],
      nodes: [capableNode('n1', { status: { nodeInfo: { operatingSystem: 'linux', architecture: 'arm64' } } })],
    },
  },
  'to the copy of the region that all nodes are of': {
    pod: webPod(SOURCE),
    cluster: { images: [copiedImage()], nodes: [capableNode('n1', EU)] },
  },
  'to the copy of the region that its nodeSelector names': {
    pod: webPod(SOURCE, { spec: { nodeSelector: EU.metadata.labels } }),
    cluster: { images: [copiedImage()], nodes: [capableNode('n1', EU), capableNode('n2')] },
  },
  'to the artifact itself when it may land in several regions': {
    pod: webPod(SOURCE),
    cluster: { images: [copiedImage()], nodes: [capableNode('n1', EU), capableNode('n2')] },
  },
  'where Nydus is the default snapshotter of every node': {
    pod: webPod(SOURCE),
    cluster: { config: DEFAULT_SNAPSHOTTER, nodes: [capableNode('n1'), capableNode('n2')], runtimeClasses: [] },
  },
  'where Nydus is the default snapshotter of every node that it may land on': {
    pod: webPod(SOURCE, { spec: { nodeSelector: { pool: 'nydus' } } }),
    cluster: {
      config: DEFAULT_SNAPSHOTTER,
      nodes: [plainNode('p1'), capableNode('n1', { metadata: { labels: { pool: 'nydus' } } })],
      runtimeClasses: [],
    },
  },
};

/** Pods that are left as they were, by what is special about them, and the reason of the webhook. */
export const LEFT_PODS: Readonly<Record<string, PodCase & { readonly reason: SkipReason }>> = {
  'when it mirrors a static Pod': {
    pod: webPod(SOURCE, {
      metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } },
      spec: { nodeName: 'n1' },
    }),
    reason: SkipReason.MirrorPod,
  },
  'when it opted out': {
    pod: webPod(SOURCE, { metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } } }),
    reason: SkipReason.OptedOut,
  },
  'when its Namespace opted out': {
    pod: webPod(SOURCE),
    cluster: { namespaces: [namespace('team-a', { 'slipstream.dev/rewrite': 'disabled' })] },
    reason: SkipReason.OptedOut,
  },
  'when its Namespace is so new that it may have opted out': {
    pod: webPod(SOURCE),
    namespace: 'team-new',
    reason: SkipReason.NamespaceUnknown,
  },
  'when any container may only use an image that is on the node': {
    pod: webPod(SOURCE, {
      spec: {
        containers: [
          { name: 'web', image: SOURCE },
          { name: 'sidecar', image: 'registry.test/other:1', imagePullPolicy: 'Never' },
        ],
      },
    }),
    reason: SkipReason.ImagePullPolicyNever,
  },
  'where Nydus is the default snapshotter, when the container itself is never pulled': {
    pod: webPod(SOURCE, { spec: { containers: [{ name: 'web', image: SOURCE, imagePullPolicy: 'Never' }] } }),
    cluster: { config: DEFAULT_SNAPSHOTTER },
    reason: SkipReason.ImagePullPolicyNever,
  },
  'when a controller that compares images owns it': {
    pod: webPod(SOURCE, { metadata: { ownerReferences: [owner('postgresql.cnpg.io/v1', 'Cluster')] } }),
    reason: SkipReason.OwnerComparesImages,
  },
  'when its owner only has the name of a built-in kind': {
    pod: webPod(SOURCE, { metadata: { ownerReferences: [owner('apps.kruise.io/v1beta1', 'StatefulSet')] } }),
    reason: SkipReason.OwnerComparesImages,
  },
  'when no AcceleratedImage names its image': {
    pod: webPod('registry.test/other:1'),
    reason: SkipReason.NoAcceleratedImage,
  },
  'when only an AcceleratedImage of another namespace names it': {
    pod: webPod(SOURCE),
    namespace: 'team-b',
    reason: SkipReason.NoAcceleratedImage,
  },
  'when it names another tag': { pod: webPod('registry.test/web:2'), reason: SkipReason.NoAcceleratedImage },
  'when it pins a digest under no tag that was converted': {
    pod: webPod(`registry.test/web@${OTHER_DIGEST}`),
    reason: SkipReason.NoAcceleratedImage,
  },
  'when its image is no reference': { pod: webPod('not an image'), reason: SkipReason.NoAcceleratedImage },
  'when its annotation only claims that it was rewritten': {
    pod: webPod('registry.test/other:1', {
      metadata: { annotations: { 'slipstream.dev/original-images': '{"web":"registry.test/other:1"}' } },
    }),
    reason: SkipReason.NoAcceleratedImage,
  },
  'when the object says Never': {
    pod: webPod(SOURCE),
    cluster: { images: [readyImage('web', SOURCE, { spec: { rewrite: { policy: 'Never' } } })] },
    reason: SkipReason.PolicyNever,
  },
  'when the object is not Ready': {
    pod: webPod(SOURCE),
    cluster: {
      images: [
        readyImage('web', SOURCE, {
          status: {
            conditions: [
              {
                type: 'Ready',
                status: 'False',
                reason: 'VerificationFailed',
                message: '',
                lastTransitionTime: agoISO(0),
              },
            ],
          },
        }),
      ],
    },
    reason: SkipReason.NotReady,
  },
  'when nothing has reconciled the object yet': {
    pod: webPod(SOURCE),
    cluster: { images: [readyImage('web', SOURCE, { status: undefined })] },
    reason: SkipReason.NotReady,
  },
  'when the object is being deleted': {
    pod: webPod(SOURCE),
    cluster: { images: [readyImage('web', SOURCE, { metadata: { deletionTimestamp: agoISO(0) } })] },
    reason: SkipReason.NotReady,
  },
  'when the status is still about the image that the spec named before': {
    pod: webPod(SOURCE),
    cluster: { images: [readyImage('web', SOURCE, { status: { source: { image: 'registry.test/web:0' } } })] },
    reason: SkipReason.NotReady,
  },
  'when the artifact in the status is not pinned to its digest': {
    pod: webPod(SOURCE),
    cluster: {
      images: [readyImage('web', SOURCE, { status: { artifact: { image: 'registry.test/web:1-nydus' } } })],
    },
    reason: SkipReason.NotReady,
  },
  'when the artifact in the status is pinned to another digest than was verified': {
    pod: webPod(SOURCE),
    cluster: { images: [readyImage('web', SOURCE, { status: { artifact: { digest: OTHER_DIGEST } } })] },
    reason: SkipReason.NotReady,
  },
  'when the tag was not confirmed for more than two intervals': {
    pod: webPod(SOURCE),
    cluster: { images: [readyImage('web', SOURCE, { status: { source: { resolvedAt: agoISO(10 * MINUTE + 1) } } })] },
    reason: SkipReason.TagStale,
  },
  'when the tag has moved and the new artifact is not there yet': {
    pod: webPod(SOURCE),
    cluster: { images: [readyImage('web', SOURCE, { status: { source: { digest: OTHER_DIGEST } } })] },
    reason: SkipReason.ArtifactOutdated,
  },
  'when it pins the new digest of a tag whose artifact is not there yet': {
    pod: webPod(`registry.test/web@${OTHER_DIGEST}`),
    cluster: { images: [readyImage('web', SOURCE, { status: { source: { digest: OTHER_DIGEST } } })] },
    reason: SkipReason.ArtifactOutdated,
  },
  'when it pins another digest than the tag has': {
    pod: webPod(`${SOURCE}@${OTHER_DIGEST}`),
    reason: SkipReason.DigestDiffers,
  },
  'when it may land on a capable node of a platform that the artifact lacks': {
    pod: webPod(SOURCE),
    cluster: {
      nodes: [
        capableNode('n1'),
        capableNode('n2', { status: { nodeInfo: { operatingSystem: 'linux', architecture: 'arm64' } } }),
      ],
    },
    reason: SkipReason.PlatformNotCovered,
  },
  'when that node is not Ready for the moment': {
    pod: webPod(SOURCE),
    cluster: {
      nodes: [
        capableNode('n1'),
        capableNode('n2', {
          metadata: { labels: { 'slipstream.dev/nydus': undefined } },
          status: { nodeInfo: { operatingSystem: 'linux', architecture: 'arm64' }, conditions: [] },
        }),
      ],
    },
    reason: SkipReason.PlatformNotCovered,
  },
  'when the artifact is for a variant that the node may not have': {
    pod: webPod(SOURCE),
    cluster: {
      images: [
        readyImage('web', SOURCE, {
          status: {
            artifact: {
              platforms: [{ platform: 'linux/amd64/v3', digest: ARTIFACT_DIGEST, size: 1, bootstrapSize: 1 }],
            },
          },
        }),
      ],
    },
    reason: SkipReason.PlatformNotCovered,
  },
  'when all nodes that it may land on are of a region whose copy is not there yet': {
    pod: webPod(SOURCE),
    cluster: {
      images: [
        readyImage('web', SOURCE, { spec: { replicas: [{ region: 'eu', repository: 'registry.eu.test/web' }] } }),
      ],
      nodes: [capableNode('n1', EU)],
    },
    reason: SkipReason.ReplicaNotReady,
  },
  'when it asks for another RuntimeClass': {
    pod: webPod(SOURCE, { spec: { runtimeClassName: 'kata' } }),
    reason: SkipReason.OtherRuntimeClass,
  },
  'when it asks for another runtime handler': {
    pod: webPod(SOURCE, { metadata: { annotations: { 'io.containerd.cri.runtime-handler': 'kata' } } }),
    reason: SkipReason.OtherRuntimeClass,
  },
  'where Nydus is the default snapshotter, when it asks for a RuntimeClass': {
    pod: webPod(SOURCE, { spec: { runtimeClassName: 'kata' } }),
    cluster: { config: DEFAULT_SNAPSHOTTER },
    reason: SkipReason.OtherRuntimeClass,
  },
  'when the RuntimeClass does not exist, as the API server would reject the Pod': {
    pod: webPod(SOURCE),
    cluster: { runtimeClasses: [] },
    reason: SkipReason.RuntimeClassMissing,
  },
  'when the RuntimeClass has another handler': {
    pod: webPod(SOURCE),
    cluster: { runtimeClasses: [runtimeClass({ handler: 'runc' })] },
    reason: SkipReason.RuntimeClassMissing,
  },
  'when it wants a user namespace': {
    pod: webPod(SOURCE, { spec: { hostUsers: false } }),
    reason: SkipReason.UserNamespaced,
  },
  'when no node has the handler': {
    pod: webPod(SOURCE),
    cluster: { nodes: [plainNode('p1')] },
    reason: SkipReason.NoCapableNode,
  },
  'when there is no node at all': { pod: webPod(SOURCE), cluster: { nodes: [] }, reason: SkipReason.NoCapableNode },
  'when the capable node is not Ready': {
    pod: webPod(SOURCE),
    cluster: { nodes: [capableNode('n1', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } })] },
    reason: SkipReason.NoCapableNode,
  },
  'when the capable node does not carry the label of the RuntimeClass yet': {
    pod: webPod(SOURCE, { spec: { nodeName: 'n1' } }),
    cluster: { nodes: [capableNode('n1', { metadata: { labels: { 'slipstream.dev/nydus': undefined } } })] },
    reason: SkipReason.NoCapableNode,
  },
  'when the capable node is cordoned': {
    pod: webPod(SOURCE),
    cluster: { nodes: [capableNode('n1', { spec: { unschedulable: true } })] },
    reason: SkipReason.NoCapableNode,
  },
  'when the capable node has a taint that it does not tolerate': {
    pod: webPod(SOURCE, { spec: { tolerations: [{ key: 'gpu', operator: 'Equal', value: 'b' }] } }),
    cluster: { nodes: [capableNode('n1', taint('gpu', 'NoExecute'))] },
    reason: SkipReason.NoCapableNode,
  },
  'when the capable node lacks the devices that it asks for, which a plain node may have': {
    pod: webPod(SOURCE, {
      spec: { containers: [{ name: 'web', image: SOURCE, resources: { limits: { 'nvidia.com/gpu': '2' } } }] },
    }),
    cluster: {
      nodes: [
        capableNode('n1', { status: { allocatable: { cpu: '4', 'nvidia.com/gpu': '1' } } }),
        plainNode('p1', { status: { allocatable: { cpu: '4', 'nvidia.com/gpu': '8' } } }),
      ],
    },
    reason: SkipReason.NoCapableNode,
  },
  'when it is bound to a plain node by name': {
    pod: webPod(SOURCE, { spec: { nodeName: 'p1' } }),
    cluster: { nodes: [plainNode('p1'), capableNode('n1')] },
    reason: SkipReason.NoCapableNode,
  },
  'when a DaemonSet pins it to a plain node': {
    pod: webPod(SOURCE, { spec: { affinity: pinnedTo('p1') } }),
    cluster: { nodes: [plainNode('p1'), capableNode('n1')] },
    reason: SkipReason.NoCapableNode,
  },
  'when its nodeSelector keeps it from the capable nodes': {
    pod: webPod(SOURCE, { spec: { nodeSelector: { pool: 'plain' } } }),
    cluster: { nodes: [plainNode('p1', { metadata: { labels: { pool: 'plain' } } }), capableNode('n1')] },
    reason: SkipReason.NoCapableNode,
  },
  'when its nodeSelector contradicts the RuntimeClass, as the API server would reject the Pod': {
    pod: webPod(SOURCE, { spec: { nodeSelector: { 'slipstream.dev/nydus': 'false' } } }),
    reason: SkipReason.NoCapableNode,
  },
  'when its node affinity keeps it from the capable nodes': {
    pod: webPod(SOURCE, { spec: { affinity: affinity({ key: 'slipstream.dev/nydus', operator: 'DoesNotExist' }) } }),
    reason: SkipReason.NoCapableNode,
  },
  'when it is a Windows Pod': {
    pod: webPod(SOURCE, { spec: { os: { name: 'windows' } } }),
    reason: SkipReason.NoCapableNode,
  },
  'where Nydus is the default snapshotter, as soon as one node that it may land on lacks it': {
    pod: webPod(SOURCE),
    cluster: { config: DEFAULT_SNAPSHOTTER, nodes: [capableNode('n1'), plainNode('p1')] },
    reason: SkipReason.NodeNotCapable,
  },
  'where Nydus is the default snapshotter, also when the node that lacks it is only cordoned': {
    pod: webPod(SOURCE),
    cluster: {
      config: DEFAULT_SNAPSHOTTER,
      nodes: [capableNode('n1'), plainNode('p1', { spec: { unschedulable: true } })],
    },
    reason: SkipReason.NodeNotCapable,
  },
  'when a volume may be bound to a plain node': {
    pod: webPod(SOURCE, { spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] } }),
    cluster: { nodes: [capableNode('n1'), plainNode('p1')] },
    reason: SkipReason.VolumeMayBindElsewhere,
  },
  'when a volume that is made for it may be bound to a plain node': {
    pod: webPod(SOURCE, {
      spec: { volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { spec: CLAIM } } }] },
    }),
    cluster: { nodes: [capableNode('n1'), plainNode('p1')] },
    reason: SkipReason.VolumeMayBindElsewhere,
  },
  'when a device that it claims may be on a plain node': {
    pod: webPod(SOURCE, { spec: { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'gpu' }] } }),
    cluster: { nodes: [capableNode('n1'), plainNode('p1')] },
    reason: SkipReason.VolumeMayBindElsewhere,
  },
  'when its annotations have no room for more': {
    pod: webPod(SOURCE, { metadata: { annotations: { big: 'x'.repeat(256 * 1024 - 100) } } }),
    reason: SkipReason.AnnotationsFull,
  },
};
