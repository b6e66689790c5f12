import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pod } from '../kube/resources.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  DEFAULT_SNAPSHOTTER,
  indexOf,
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
} from '../../test/support/rewriting.ts';
import type { Overrides } from '../../test/support/merge.ts';
import { decide, decideEphemeral } from './decide.ts';
import { SkipReason } from './reasons.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const READY = readyImage('web', SOURCE);

const MINUTE = 60_000;

interface Case {
  pod: Pod;
  cluster?: Cluster;
  namespace?: string;
}

function reasonOf({ pod, cluster, namespace = 'team-a' }: Case): string {
  return decide(pod, namespace, indexOf({ images: [READY], ...cluster }), NOW).reason;
}

function agoISO(ms: number): string {
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

describe('a Pod is rewritten', () => {
  const cases: Record<string, Case> = {
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
          extraOwnerKinds: ['CloneSet.apps.kruise.io'],
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
  for (const [name, given] of Object.entries(cases)) {
    test(name, () => assert.equal(reasonOf(given), 'Rewritten'));
  }
});

describe('a Pod is left as it was', () => {
  const taint = (key: string, effect: string): Overrides => ({ spec: { taints: [{ key, effect }] } });
  const cases: Record<string, Case & { reason: SkipReason }> = {
    'when it mirrors a static Pod': {
      pod: webPod(SOURCE, { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }),
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
      pod: webPod(SOURCE, { spec: { volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: {} } }] } }),
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
  for (const [name, { reason, ...given }] of Object.entries(cases)) {
    test(`${name}: ${reason}`, () => assert.equal(reasonOf(given), reason));
  }

  test('and every reason has a case here, but those of a Pod that exists already', () => {
    const covered = new Set<SkipReason>(Object.values(cases).map(({ reason }) => reason));
    const missing = Object.values(SkipReason).filter((reason) => !covered.has(reason));
    assert.deepEqual(missing, [SkipReason.AlreadyRewritten, SkipReason.PullSecretMissing]);
  });
});

test('the checks are ordered: the first that objects gives the reason', () => {
  const pod = webPod(SOURCE, {
    metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' }, ownerReferences: [owner('x.io/v1', 'X')] },
    spec: { runtimeClassName: 'kata' },
  });
  assert.equal(reasonOf({ pod, cluster: { nodes: [] } }), SkipReason.OptedOut);
});

test('of a Pod whose images are only partly ready, the ready ones are rewritten', () => {
  const pod = webPod(SOURCE, {
    spec: {
      initContainers: [{ name: 'migrate', image: SOURCE }],
      containers: [
        { name: 'web', image: SOURCE },
        { name: 'cache', image: 'registry.test/cache:1' },
        { name: 'proxy', image: 'registry.test/proxy:1' },
      ],
    },
  });
  const cache = readyImage('cache', 'registry.test/cache:1', { spec: { rewrite: { policy: 'Never' } } });
  const decision = decide(pod, 'team-a', indexOf({ images: [READY, cache] }), NOW);
  assert.equal(decision.reason, 'Rewritten');
  assert.deepEqual(
    decision.rewrites.map(({ container, image, acceleratedImage }) => [
      container.list,
      container.name,
      image,
      acceleratedImage,
    ]),
    [
      ['initContainers', 'migrate', ARTIFACT, 'team-a/web'],
      ['containers', 'web', ARTIFACT, 'team-a/web'],
    ],
  );
  assert.deepEqual(
    decision.verdicts.map(({ container, finding }) => [container.name, finding?.reason]),
    [
      ['migrate', undefined],
      ['web', undefined],
      ['cache', SkipReason.PolicyNever],
    ],
  );
});

test('where Nydus is the default snapshotter, a container that is never pulled does not hold back the others', () => {
  const pod = webPod(SOURCE, {
    spec: {
      containers: [
        { name: 'web', image: SOURCE },
        { name: 'local', image: 'local:1', imagePullPolicy: 'Never' },
      ],
    },
  });
  assert.equal(reasonOf({ pod, cluster: { config: DEFAULT_SNAPSHOTTER } }), 'Rewritten');
});

describe('whose AcceleratedImage decides', () => {
  const own = (policy: string): ReturnType<typeof readyImage> =>
    readyImage('own', SOURCE, { metadata: { namespace: 'team-b' }, spec: { rewrite: { policy } } });
  const operators = readyImage('shared', SOURCE, { metadata: { namespace: 'slipstream-system' } });

  test("one of the operator's namespace acts on every namespace", () => {
    const decision = decide(webPod(SOURCE), 'team-b', indexOf({ images: [operators] }), NOW);
    assert.equal(decision.rewrites[0]?.acceleratedImage, 'slipstream-system/shared');
  });

  test("a namespace's own wins over the operator's", () => {
    const decision = decide(webPod(SOURCE), 'team-b', indexOf({ images: [operators, own('WhenReady')] }), NOW);
    assert.equal(decision.rewrites[0]?.acceleratedImage, 'team-b/own');
  });

  test("a namespace's own wins even when it says Never", () => {
    assert.equal(
      reasonOf({ pod: webPod(SOURCE), namespace: 'team-b', cluster: { images: [operators, own('Never')] } }),
      SkipReason.PolicyNever,
    );
  });

  test('of two in one namespace the oldest that can be used does, in whatever order they were seen', () => {
    const young = readyImage('a-young', SOURCE, { metadata: { creationTimestamp: '2026-02-01T00:00:00Z' } });
    const broken = readyImage('broken', SOURCE, {
      metadata: { creationTimestamp: '2025-01-01T00:00:00Z' },
      status: { artifact: undefined },
    });
    for (const images of [
      [READY, young, broken],
      [broken, young, READY],
    ]) {
      const decision = decide(webPod(SOURCE), 'team-a', indexOf({ images }), NOW);
      assert.equal(decision.rewrites[0]?.acceleratedImage, 'team-a/web');
    }
  });
});

describe('the pull secret of an artifact', () => {
  const secrets = { spec: { source: { pullSecretRef: { name: 'pull' } } } };
  const elsewhere: Overrides = {
    ...secrets,
    status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
  };
  const secretsOf = (overrides: Overrides, place = 'team-a'): readonly string[] => {
    const image = readyImage('web', SOURCE, { ...overrides, metadata: { namespace: place } });
    return decide(webPod(SOURCE), 'team-a', indexOf({ images: [image] }), NOW).pullSecrets;
  };

  test('is given to the Pod when the artifact is in another registry', () =>
    assert.deepEqual(secretsOf(elsewhere), ['pull']));

  test('is the one that pushes, where both are named', () => {
    assert.deepEqual(
      secretsOf({ ...elsewhere, spec: { ...secrets.spec, target: { pushSecretRef: { name: 'push' } } } }),
      ['push'],
    );
  });

  test('is not given when the registry stays the same', () => assert.deepEqual(secretsOf(secrets), []));

  test("that lies in the operator's namespace keeps Pods of others as they are, unless they have their own", () => {
    const image = readyImage('web', SOURCE, { ...elsewhere, metadata: { namespace: 'slipstream-system' } });
    const cluster = { images: [image] };
    assert.equal(reasonOf({ pod: webPod(SOURCE), cluster }), SkipReason.PullSecretMissing);
    const pod = webPod(SOURCE, { spec: { imagePullSecrets: [{ name: 'pull' }] } });
    assert.equal(reasonOf({ pod, cluster }), 'Rewritten');
  });
});

describe('an ephemeral container', () => {
  const running = (...added: object[]): Pod =>
    webPod(ARTIFACT, {
      metadata: { annotations: { 'io.containerd.cri.runtime-handler': 'nydus' } },
      spec: { runtimeClassName: 'nydus', nodeName: 'n1', ephemeralContainers: added },
    });
  const shell = { name: 'shell', image: SOURCE };
  const reason = (pod: Pod, old: Pod, cluster: Cluster = {}): string =>
    decideEphemeral(pod, old, 'team-a', indexOf({ images: [READY], ...cluster }), NOW).reason;

  test('is rewritten in a Pod that has our RuntimeClass', () => {
    assert.equal(reason(running(shell), running()), 'Rewritten');
  });

  test('that was there before stays as it is', () => {
    const decision = decideEphemeral(
      running(shell, { name: 'second', image: SOURCE }),
      running(shell),
      'team-a',
      indexOf({ images: [READY] }),
      NOW,
    );
    assert.deepEqual(
      decision.rewrites.map(({ container }) => [container.index, container.name]),
      [[1, 'second']],
    );
  });

  test('stays as it is in a Pod of another RuntimeClass, which cannot change any more', () => {
    const plain = webPod(SOURCE, { spec: { nodeName: 'n1', ephemeralContainers: [shell] } });
    assert.equal(reason(plain, webPod(SOURCE)), SkipReason.OtherRuntimeClass);
  });

  test('stays as it is in a Pod whose node was not told to pull into Nydus', () => {
    const pod = running(shell);
    pod.metadata.annotations = {};
    assert.equal(reason(pod, running()), SkipReason.OtherRuntimeClass);
  });

  test('is rewritten whatever annotations the Pod has, as it gets none', () => {
    const pod = running(shell);
    pod.metadata.annotations = { ...pod.metadata.annotations, big: 'x'.repeat(256 * 1024 - 50) };
    assert.equal(reason(pod, running()), 'Rewritten');
  });

  test('stays as it is when the node of the Pod is not capable any more', () => {
    assert.equal(reason(running(shell), running(), { nodes: [plainNode('n1')] }), SkipReason.NoCapableNode);
  });

  test('is rewritten on a cordoned node too, where the Pod runs already', () => {
    const cordoned = capableNode('n1', { spec: { unschedulable: true } });
    assert.equal(reason(running(shell), running(), { nodes: [cordoned] }), 'Rewritten');
  });

  test('stays as it is where the Pod lacks the Secret that pulls its artifact, which it cannot be given any more', () => {
    const far = readyImage('far', SOURCE, {
      spec: { source: { pullSecretRef: { name: 'pull' } } },
      status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
    });
    assert.equal(reason(running(shell), running(), { images: [far] }), SkipReason.PullSecretMissing);
    const pod = running(shell);
    assert.ok(pod.spec);
    pod.spec.imagePullSecrets = [{ name: 'pull' }];
    assert.equal(reason(pod, running(), { images: [far] }), 'Rewritten');
  });

  test('is rewritten where Nydus is the default snapshotter, without any RuntimeClass', () => {
    const plain = webPod(SOURCE, { spec: { nodeName: 'n1', ephemeralContainers: [shell] } });
    assert.equal(reason(plain, webPod(SOURCE), { config: DEFAULT_SNAPSHOTTER }), 'Rewritten');
  });
});

test('the message tells a person what to look at', () => {
  const stale = readyImage('web', SOURCE, {
    status: {
      conditions: [
        { type: 'Ready', status: 'False', reason: 'CredentialsRejected', message: '', lastTransitionTime: agoISO(0) },
      ],
    },
  });
  const { message } = decide(webPod(SOURCE), 'team-a', indexOf({ images: [stale] }), NOW);
  assert.equal(message, 'AcceleratedImage team-a/web is not Ready: CredentialsRejected');
});
