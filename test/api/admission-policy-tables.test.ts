import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MAX_TABLE_IMAGES, REWRITE_TABLE, type RewriteTableSpec } from '../../src/api/v1alpha1/rewritetable.ts';
import { type Pod, pods, rewriteTables } from '../../src/kube/resources.ts';
import { digestKey, referenceOf, tagKey } from '../../src/rewriting/candidates.ts';
import { rewriteTable } from '../../src/rewriting/table.ts';
import type { Overrides } from '../support/merge.ts';
import { ARTIFACT, SOURCE } from '../support/pod-cases.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  type Cluster,
  CONFIG,
  DEFAULT_SNAPSHOTTER,
  indexOf,
  NOW,
  plainNode,
  readyImage,
  SOURCE_DIGEST,
  webPod,
} from '../support/rewriting.ts';
import { NAMESPACE } from './chart.ts';
import { changeable, type PolicyWorld, startPolicyWorld, tryPod } from './policies.ts';

const OTHER = 'registry.test/other:1';
const OTHER_ARTIFACT = `registry.test/other:1-nydus@${ARTIFACT_DIGEST}`;

/** The table that the operator keeps in a namespace. */
function tableOf(namespace: string, cluster: Cluster): RewriteTableSpec {
  const { spec } = rewriteTable(namespace, indexOf({ images: [readyImage('web', SOURCE)], ...cluster }), NOW);
  assert.ok(spec, 'there is something to rewrite');
  return spec;
}

function imagesOf({ spec }: Pod): (string | undefined)[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ image }) => image);
}

describe('tables on a real API server', () => {
  let world: PolicyWorld;
  let number = 0;

  before(async () => {
    world = await startPolicyWorld();
  });
  after(() => world?.[Symbol.asyncDispose]());

  /** A new namespace with the table that the operator would keep in `team-a`. */
  async function namespaceWith(cluster: Cluster = {}): Promise<string> {
    const name = `own-${(number += 1)}`;
    await world.makeNamespace(name);
    await world.publish(name, tableOf('team-a', cluster));
    return name;
  }

  /** A Pod as the API server stores it, which must not change when it is created again from what was stored. */
  async function admitted(pod: Pod, namespace: string): Promise<Pod> {
    const after = await tryPod(world.client, pod, namespace);
    const { annotations, labels, ownerReferences, managedFields } = after.metadata;
    const metadata = { name: pod.metadata.name, annotations, labels, ownerReferences, managedFields };
    const again = await tryPod(world.client, { ...after, metadata } as Pod, namespace);
    assert.deepEqual(changeable(again), changeable(after), 'a second round changes something');
    return after;
  }

  test('an image is the same in every spelling that names it, and in no other', async () => {
    const named = [
      'docker.io/library/nginx:latest',
      'docker.io/team/app:1',
      SOURCE,
      'localhost/web:1',
      'r.test:5000/a/b:1',
    ];
    const namespace = await namespaceWith({ images: named.map((image, i) => readyImage(`image-${i}`, image)) });
    const hex = 'a'.repeat(64);
    const spellings = `
      nginx nginx:latest library/nginx docker.io/nginx index.docker.io/nginx Docker.IO/library/nginx nginx@${SOURCE_DIGEST}
      nginx:1 registry-1.docker.io/library/nginx docker.io/library/library/nginx other/nginx nginx:Latest
      team/app:1 docker.io/team/app:1 INDEX.docker.io/team/app:1 team/app library/team/app:1 app:1
      registry.test/web:1 Registry.Test/web:1 registry.test/Web:1 registry.test/web registry.test/web:1:1
      localhost/web:1 LOCALHOST/web:1 localhost:5000/web:1 r.test:5000/a/b:1 r.test/a/b:1 r.test:5000/a/b
      registry.test/web@${SOURCE_DIGEST} registry.test/web:any@${SOURCE_DIGEST} r.test:5000/a/b@${SOURCE_DIGEST}
      registry.test/web@${ARTIFACT_DIGEST} registry.test/web@${SOURCE_DIGEST}@x
      : / @ a@ a: [::1]:5000/web:1 https://registry.test/web:1 ${hex}`
      .trim()
      .split(/\s+/);
    const keys = new Set(
      named.flatMap((text) => {
        const reference = referenceOf(text);
        return reference === undefined ? [] : [tagKey(reference), digestKey(reference, SOURCE_DIGEST)];
      }),
    );
    for (const text of spellings) {
      const reference = referenceOf(text);
      const key =
        reference === undefined
          ? ''
          : reference.digest === undefined
            ? tagKey(reference)
            : digestKey(reference, reference.digest);
      const [image] = imagesOf(await tryPod(world.client, webPod(text), namespace));
      assert.equal(image !== text, keys.has(key), `${text} → ${image}`);
    }
  });

  test('a reference that could break out of the record is left as it was', async () => {
    const namespace = await namespaceWith();
    for (const tag of ['"', '","x', '\\', '{']) {
      const text = `registry.test/web:${tag}@${SOURCE_DIGEST}`;
      assert.deepEqual(imagesOf(await admitted(webPod(text), namespace)), [text]);
    }
  });

  test("the operator's table acts on every namespace, but leaves the images that a namespace has of its own", async () => {
    const shared = 'registry.test/shared:1';
    const images = [
      readyImage('shared', shared, { metadata: { namespace: CONFIG.operatorNamespace } }),
      readyImage('other', OTHER, { metadata: { namespace: CONFIG.operatorNamespace } }),
      readyImage('never', shared, { metadata: { namespace: 'owner' }, spec: { rewrite: { policy: 'Never' } } }),
      readyImage('own', 'registry.test/own:1', { metadata: { namespace: 'owner' } }),
    ];
    await world.makeNamespace('owner');
    await world.makeNamespace('plain');
    await world.publish(NAMESPACE, tableOf(CONFIG.operatorNamespace, { images }), 'plain');
    await world.publish('owner', tableOf('owner', { images }));
    const containers = [shared, OTHER, 'registry.test/own:1'].map((image, i) => ({ name: `c${i}`, image }));
    const pod = webPod(shared, { spec: { containers } });

    const elsewhere = await admitted(pod, 'plain');
    assert.deepEqual(imagesOf(elsewhere), [
      `registry.test/shared:1-nydus@${ARTIFACT_DIGEST}`,
      OTHER_ARTIFACT,
      'registry.test/own:1',
    ]);

    const both = await admitted(pod, 'owner');
    assert.deepEqual(imagesOf(both), [shared, OTHER_ARTIFACT, `registry.test/own:1-nydus@${ARTIFACT_DIGEST}`]);
    assert.deepEqual(JSON.parse(both.metadata.annotations?.['slipstream.dev/original-images'] ?? ''), {
      c1: OTHER,
      c2: 'registry.test/own:1',
    });
  });

  test('what an annotation that came with the Pod says stays where it holds, and goes where it does not', async () => {
    const namespace = await namespaceWith();
    const originals = { old: 'registry.test/old:1', lie: 'nginx', gone: 'x', web: 'nginx' };
    const pod = webPod(SOURCE, {
      metadata: { annotations: { team: 'a', 'slipstream.dev/original-images': JSON.stringify(originals) } },
      spec: {
        initContainers: [{ name: 'old', image: `registry.test/old:1-nydus@${ARTIFACT_DIGEST}` }],
        containers: [
          { name: 'web', image: SOURCE },
          { name: 'lie', image: 'registry.test/evil:1' },
        ],
      },
    });
    assert.deepEqual((await admitted(pod, namespace)).metadata.annotations, {
      team: 'a',
      'io.containerd.cri.runtime-handler': 'nydus',
      'slipstream.dev/rewrite': 'rewritten',
      'slipstream.dev/original-images': `{"old":"registry.test/old:1","web":"${SOURCE}"}`,
    });
  });

  test('an image that the table names is an original, whatever an annotation says that came with the Pod', async () => {
    const namespace = await namespaceWith({ config: DEFAULT_SNAPSHOTTER });
    const pinned = { name: 'pinned', image: `registry.test/web@${SOURCE_DIGEST}`, imagePullPolicy: 'Never' };
    const pod = webPod(SOURCE, {
      metadata: { annotations: { 'slipstream.dev/original-images': '{"pinned":"nginx"}' } },
      spec: { containers: [{ name: 'web', image: SOURCE }, pinned] },
    });
    const { annotations } = (await admitted(pod, namespace)).metadata;
    assert.equal(annotations?.['slipstream.dev/original-images'], `{"web":"${SOURCE}"}`);
  });

  test('the pull secret of an artifact in another registry is added once', async () => {
    const elsewhere: Overrides = {
      spec: { source: { pullSecretRef: { name: 'pull' } } },
      status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
    };
    const namespace = await namespaceWith({ images: [readyImage('web', SOURCE, elsewhere)] });
    const containers = ['a', 'b'].map((name) => ({ name, image: SOURCE }));
    for (const [given, expected] of [
      [undefined, ['pull']],
      [[{ name: 'own' }], ['own', 'pull']],
      [[{ name: 'pull' }], ['pull']],
    ] as const) {
      const pod = await admitted(webPod(SOURCE, { spec: { containers, imagePullSecrets: given } }), namespace);
      assert.deepEqual(
        pod.spec?.imagePullSecrets?.map(({ name }) => name),
        expected,
      );
    }
  });

  test('Pods with tolerations are left where these may lead to a platform that the artifact lacks', async () => {
    const arm = { status: { nodeInfo: { operatingSystem: 'linux', architecture: 'arm64' } } };
    const tainted = capableNode('n2', { ...arm, spec: { taints: [{ key: 'arm', effect: 'NoSchedule' }] } });
    const namespace = await namespaceWith({ nodes: [capableNode('n1'), tainted] });
    const tolerating = (key: string): Pod => webPod(SOURCE, { spec: { tolerations: [{ key, operator: 'Exists' }] } });
    assert.deepEqual(imagesOf(await admitted(webPod(SOURCE), namespace)), [ARTIFACT]);
    assert.deepEqual(imagesOf(await admitted(tolerating('arm'), namespace)), [SOURCE]);
    assert.deepEqual(imagesOf(await admitted(tolerating('node.kubernetes.io/not-ready'), namespace)), [ARTIFACT]);
  });

  test('Pods with claims are left where these may be bound to a plain node, and others are not', async () => {
    const namespace = await namespaceWith({ nodes: [capableNode('n1'), plainNode('p1')] });
    const template = { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } };
    const claims = [
      { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
      { volumes: [{ name: 'data', ephemeral: { volumeClaimTemplate: template } }] },
      { resourceClaims: [{ name: 'gpu', resourceClaimName: 'gpu' }] },
    ];
    assert.deepEqual(imagesOf(await admitted(webPod(SOURCE), namespace)), [ARTIFACT]);
    const volumes = [{ name: 'scratch', emptyDir: {} }];
    assert.deepEqual(imagesOf(await admitted(webPod(SOURCE, { spec: { volumes } }), namespace)), [ARTIFACT]);
    for (const spec of claims) {
      assert.deepEqual(imagesOf(await admitted(webPod(SOURCE, { spec }), namespace)), [SOURCE]);
    }
  });

  test('Pods that ask for devices are left, since only some nodes have these', async () => {
    const namespace = await namespaceWith();
    const asking = (limits: object): Pod =>
      webPod(SOURCE, {
        spec: { containers: [{ name: 'web', image: SOURCE, resources: { limits, requests: limits } }] },
      });
    assert.deepEqual(imagesOf(await admitted(asking({ cpu: '1', memory: '1Gi' }), namespace)), [ARTIFACT]);
    assert.deepEqual(imagesOf(await admitted(asking({ cpu: '1', 'nvidia.com/gpu': '1' }), namespace)), [SOURCE]);
  });

  test('a Pod whose annotations have no room is left, as the API server would refuse it rewritten', async () => {
    const namespace = await namespaceWith();
    const most = 256 * 1024 - 'note'.length;
    for (const [bytes, image] of [
      [most, SOURCE],
      [most - 100, SOURCE],
      [most - 1000, ARTIFACT],
    ] as const) {
      const pod = webPod(SOURCE, { metadata: { annotations: { note: 'é'.repeat(bytes / 2) } } });
      const { spec } = await tryPod(world.client, pod, namespace);
      assert.equal(spec?.containers[0]?.image, image, `${bytes} bytes`);
    }
  });

  test('an entry runs out by itself, whatever time a Pod says it is of', async () => {
    const images = [readyImage('web', SOURCE, { status: { source: { resolvedAt: '2026-03-01T11:50:00Z' } } })];
    const namespace = await namespaceWith({ images });
    assert.deepEqual(imagesOf(await admitted(webPod(SOURCE), namespace)), [SOURCE]);
    const managedFields = [
      {
        manager: 'm',
        operation: 'Update',
        apiVersion: 'v1',
        time: '2020-01-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:metadata': { 'f:labels': { 'f:app': {} } } },
      },
    ];
    const claimed = webPod(SOURCE, { metadata: { managedFields } });
    assert.deepEqual(imagesOf(await admitted(claimed, namespace)), [SOURCE]);
  });

  test('a Pod that is applied is rewritten as one that is created', async () => {
    const namespace = await namespaceWith();
    const { spec } = webPod(SOURCE);
    const pod = await world.client.apply(
      pods,
      { metadata: { namespace, name: 'applied' }, spec },
      { fieldManager: 'me' },
    );
    assert.deepEqual(imagesOf(pod), [ARTIFACT]);
  });

  test('ephemeral containers, and Pods of namespaces that are left out, stay as they are', async () => {
    const table = { metadata: { namespace: 'kube-system', name: REWRITE_TABLE }, spec: tableOf('team-a', {}) };
    await world.client.apply(rewriteTables, table, { fieldManager: 'test' });
    // The API server sees the tables in the order in which they were written.
    const namespace = await namespaceWith();
    assert.deepEqual(imagesOf(await admitted(webPod(SOURCE), 'kube-system')), [SOURCE]);

    const ref = { namespace, name: 'debugged' };
    await world.client.create(pods, { metadata: ref, spec: { ...webPod(OTHER).spec, nodeName: 'n1' } });
    const body = { spec: { ephemeralContainers: [{ name: 'shell', image: SOURCE }] } };
    const type = 'application/strategic-merge-patch+json';
    const debugged = await world.client.patch(pods, ref, body, type, { subresource: 'ephemeralcontainers' });
    assert.equal(debugged.spec?.ephemeralContainers?.[0]?.image, SOURCE);
  });

  test('twenty containers are rewritten by a table that is full', async () => {
    const images = Array.from({ length: MAX_TABLE_IMAGES / 2 - 1 }, (_, i) =>
      readyImage(`image-${i}`, `registry.test/team/image-${i}:1`),
    );
    const namespace = await namespaceWith({ images });
    const containers = Array.from({ length: 20 }, (_, i) => ({
      name: `c${i}`,
      image: `registry.test/team/image-${i}:1`,
    }));
    const pod = await admitted(webPod(SOURCE, { spec: { containers } }), namespace);
    assert.ok(imagesOf(pod).every((image) => image?.endsWith(`-nydus@${ARTIFACT_DIGEST}`)));
  });
});
