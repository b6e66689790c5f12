import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { namespaces, pods, runtimeClasses, type Pod } from '../../src/kube/resources.ts';
import { SkipReason } from '../../src/rewriting/reasons.ts';
import {
  podOf,
  registerChart,
  startAdmission,
  TEAM,
  unregister,
  type AdmissionCluster,
  type PodDraft,
} from '../support/admission/cluster.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  CONFIG,
  DEFAULT_SNAPSHOTTER,
  OTHER_DIGEST,
  owner,
  plainNode,
  runtimeClass,
} from '../support/rewriting.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;

/** Pods go where the artifact can run, unless a case is about that. */
const AMD64 = { nodeSelector: { 'kubernetes.io/arch': 'amd64' } };
const amd64 = { metadata: { labels: { 'kubernetes.io/arch': 'amd64' } } };

let cluster: AdmissionCluster;

before(async () => {
  cluster = await startAdmission();
  const never = { spec: { rewrite: { policy: 'Never' } } };
  const stale = { status: { source: { resolvedAt: '2026-01-01T00:00:00Z' } } };
  await cluster.addNamespace('opted-out', { 'slipstream.dev/rewrite': 'disabled' });
  await cluster.addImage('web', SOURCE);
  await cluster.addImage('shared', 'registry.test/shared:1', { metadata: { namespace: CONFIG.operatorNamespace } });
  await cluster.addImage('far', 'registry.test/far:1', {
    spec: { source: { pullSecretRef: { name: 'pull' } } },
    status: { artifact: { image: `mirror.test/far:1-nydus@${ARTIFACT_DIGEST}` } },
  });
  await cluster.addImage('never', 'registry.test/never:1', never);
  await cluster.addImage('unready', 'registry.test/unready:1', { status: { conditions: [] } });
  await cluster.addImage('stale', 'registry.test/stale:1', stale);
  await cluster.addImage('moved', 'registry.test/moved:1', { status: { source: { digest: OTHER_DIGEST } } });
  await cluster.addImage('copied', 'registry.test/copied:1', {
    spec: { replicas: [{ region: 'eu', repository: 'registry.eu.test/copied' }] },
  });
  await cluster.addNode(
    capableNode('eu', { metadata: { labels: { pool: 'eu', 'topology.kubernetes.io/region': 'eu' } } }),
  );
  await cluster.addNode(capableNode('amd64', amd64));
  await cluster.addNode(plainNode('plain', { metadata: { labels: { pool: 'plain', ...amd64.metadata.labels } } }));
  const arm = { operatingSystem: 'linux', architecture: 'arm64' };
  await cluster.addNode(capableNode('arm', { metadata: { labels: { pool: 'arm' } }, status: { nodeInfo: arm } }));
});
after(() => cluster?.[Symbol.asyncDispose]());

interface Case {
  pod: PodDraft;
  /** Runs the case where this holds. */
  where?: (body: () => Promise<void>) => Promise<void>;
  /** What the Pod says; its reason, unless told otherwise. */
  annotation?: string;
}

/** The API server without the RuntimeClass, for as long as `body` runs. */
async function withoutRuntimeClass(body: () => Promise<void>): Promise<void> {
  await cluster.client.delete(runtimeClasses, { name: 'nydus' });
  await cluster.settled(runtimeClasses, { name: 'nydus' });
  try {
    await body();
  } finally {
    await cluster.client.create(runtimeClasses, runtimeClass());
    await cluster.settled(runtimeClasses, { name: 'nydus' });
  }
}

/** The configuration without the condition that keeps mirror Pods from being sent at all. */
async function withMirrorPodsSent(body: () => Promise<void>): Promise<void> {
  await unregister(cluster);
  await registerChart(cluster, (webhook) => ({ ...webhook, matchConditions: [] }));
  try {
    await body();
  } finally {
    await unregister(cluster);
    await registerChart(cluster);
  }
}

/** With a Namespace `team-new` that the watch has not told of yet. */
async function inNewNamespace(body: () => Promise<void>): Promise<void> {
  cluster.watches.cut();
  await cluster.client.create(namespaces, { metadata: { name: 'team-new' } });
  try {
    await body();
  } finally {
    cluster.watches.mend();
    await cluster.settled(namespaces, { name: 'team-new' });
  }
}

/** What the API server makes of a Pod that it does not send to the webhook. */
async function unsent(pod: PodDraft): Promise<Pod> {
  const metadata = { ...pod.metadata, namespace: 'opted-out' };
  return (await cluster.create({ ...pod, metadata }, { dryRun: true })).pod;
}

const NONE = '';

/** Reasons that only ephemeral containers can meet, with an image that does. */
const EPHEMERAL = { PullSecretMissing: 'registry.test/far:1' } as const;

describe('a Pod stays as it was sent, and says why', () => {
  const cases: Record<Exclude<SkipReason, keyof typeof EPHEMERAL>, Case> = {
    MirrorPod: {
      pod: podOf(SOURCE, {
        metadata: { annotations: { 'kubernetes.io/config.mirror': 'hash' } },
        spec: { ...AMD64, nodeName: 'amd64' },
      }),
      where: withMirrorPodsSent,
      annotation: NONE,
    },
    OptedOut: {
      pod: podOf(SOURCE, { metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } }, spec: AMD64 }),
    },
    NamespaceUnknown: {
      pod: podOf('registry.test/shared:1', { metadata: { namespace: 'team-new' }, spec: AMD64 }),
      where: inNewNamespace,
    },
    ImagePullPolicyNever: {
      pod: podOf(SOURCE, {
        spec: { ...AMD64, containers: [{ name: 'web', image: SOURCE, imagePullPolicy: 'Never' }] },
      }),
    },
    OwnerComparesImages: {
      pod: podOf(SOURCE, {
        metadata: { ownerReferences: [owner('postgresql.cnpg.io/v1', 'Cluster')] },
        spec: AMD64,
      }),
    },
    NoAcceleratedImage: { pod: podOf('registry.test/other:1', { spec: AMD64 }), annotation: NONE },
    AlreadyRewritten: {
      pod: podOf(ARTIFACT, {
        metadata: {
          annotations: {
            'slipstream.dev/rewrite': 'rewritten',
            'slipstream.dev/original-images': `{"web":"${SOURCE}"}`,
            'io.containerd.cri.runtime-handler': 'nydus',
          },
        },
        spec: {
          runtimeClassName: 'nydus',
          nodeSelector: { ...AMD64.nodeSelector, 'slipstream.dev/nydus': 'true' },
        },
      }),
      annotation: 'rewritten',
    },
    PolicyNever: { pod: podOf('registry.test/never:1', { spec: AMD64 }) },
    NotReady: { pod: podOf('registry.test/unready:1', { spec: AMD64 }) },
    TagStale: { pod: podOf('registry.test/stale:1', { spec: AMD64 }) },
    ArtifactOutdated: { pod: podOf('registry.test/moved:1', { spec: AMD64 }) },
    DigestDiffers: { pod: podOf(`${SOURCE}@${OTHER_DIGEST}`, { spec: AMD64 }) },
    PlatformNotCovered: { pod: podOf(SOURCE, { spec: { nodeSelector: { pool: 'arm' } } }) },
    ReplicaNotReady: { pod: podOf('registry.test/copied:1', { spec: { nodeSelector: { pool: 'eu' } } }) },
    OtherRuntimeClass: {
      pod: podOf(SOURCE, {
        metadata: { annotations: { 'io.containerd.cri.runtime-handler': 'kata' } },
        spec: AMD64,
      }),
    },
    RuntimeClassMissing: { pod: podOf(SOURCE, { spec: AMD64 }), where: withoutRuntimeClass },
    UserNamespaced: { pod: podOf(SOURCE, { spec: { ...AMD64, hostUsers: false } }) },
    NoCapableNode: { pod: podOf(SOURCE, { spec: { nodeSelector: { pool: 'plain' } } }) },
    NodeNotCapable: {
      pod: podOf(SOURCE, { spec: AMD64 }),
      where: (body) => cluster.configured(DEFAULT_SNAPSHOTTER, body),
    },
    VolumeMayBindElsewhere: {
      pod: podOf(SOURCE, {
        spec: { ...AMD64, volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
      }),
    },
    AnnotationsFull: {
      pod: podOf(SOURCE, { metadata: { annotations: { big: 'x'.repeat(256 * 1024 - 100) } }, spec: AMD64 }),
    },
  };

  for (const [
    reason,
    { pod, where = (body: () => Promise<void>) => body(), annotation = `skipped: ${reason}` },
  ] of Object.entries(cases)) {
    test(reason, () =>
      where(async () => {
        const { spec } = await unsent(pod);
        const { pod: got, calls } = await cluster.create(pod);
        assert.deepEqual(
          calls.map((call) => call.reason),
          [reason],
        );
        assert.equal(got.metadata.annotations?.['slipstream.dev/rewrite'] ?? NONE, annotation);
        assert.deepEqual(got.spec, spec);
      }),
    );
  }

  for (const [reason, image] of Object.entries(EPHEMERAL)) {
    test(`${reason}, of an ephemeral container`, async () => {
      const { pod } = await cluster.create(podOf(SOURCE, { spec: { ...AMD64, nodeName: 'amd64' } }));
      const ephemeralContainers = [{ name: 'shell', image }];
      const { spec } = await cluster.client.patch(
        pods,
        { namespace: TEAM, name: pod.metadata.name },
        { spec: { ephemeralContainers } },
        'application/strategic-merge-patch+json',
        { subresource: 'ephemeralcontainers' },
      );
      assert.equal(cluster.calls.at(-1)?.reason, reason);
      assert.equal(spec?.ephemeralContainers?.[0]?.image, image);
    });
  }

  test('every reason has a case', () => {
    const covered = [...Object.keys(cases), ...Object.keys(EPHEMERAL)];
    assert.deepEqual(covered.toSorted(), Object.values(SkipReason).toSorted());
  });
});
