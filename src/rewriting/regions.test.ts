import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import type { Node, Pod } from '../kube/resources.ts';
import { applyPatch } from '../../test/support/json-patch.ts';
import type { Overrides } from '../../test/support/merge.ts';
import { ARTIFACT, SOURCE } from '../../test/support/pod-cases.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  DEFAULT_SNAPSHOTTER,
  indexOf,
  NOW,
  OTHER_DIGEST,
  plainNode,
  readyImage,
  webPod,
  type Cluster,
} from '../../test/support/rewriting.ts';
import { decide, decideEphemeral, type Decision } from './decide.ts';
import { explain } from './explain.ts';
import { patchOf } from './patch.ts';
import { rewriteTable } from './table.ts';
import { resolveTemplate } from './template.ts';

const REGION = 'topology.kubernetes.io/region';
const EU = `registry.eu.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const US = `registry.us.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const SPEC = [
  { region: 'eu', repository: 'registry.eu.test/web' },
  { region: 'us', repository: 'registry.us.test/web', pushSecretRef: { name: 'us' } },
];

function copy(region: string, image: string, more: object = {}): object {
  return { region, hash: region, image, digest: ARTIFACT_DIGEST, state: 'Ready', ...more };
}

/** The image of the cases with copies in `eu` and `us`. */
function replicated(status: object[] = [copy('eu', EU), copy('us', US)], overrides: Overrides = {}): AcceleratedImage {
  const image = readyImage('web', SOURCE, overrides);
  return readyImage('web', SOURCE, {
    ...overrides,
    spec: { ...image.spec, replicas: SPEC },
    status: { ...image.status, replicas: status },
  });
}

function nodeIn(region: string | undefined, name: string, overrides: Overrides = {}): Node {
  const node = capableNode(name, overrides);
  node.metadata.labels = { ...node.metadata.labels, ...(region === undefined ? {} : { [REGION]: region }) };
  return node;
}

const TWO_REGIONS = [nodeIn('eu', 'eu-1'), nodeIn('eu', 'eu-2'), nodeIn('us', 'us-1')];

function decided(pod: Pod, cluster: Cluster = {}): Decision {
  return decide(pod, 'team-a', indexOf({ images: [replicated()], nodes: TWO_REGIONS, ...cluster }), NOW);
}

/** What the container runs, or why it is left. */
function outcome(pod: Pod, cluster: Cluster = {}): string {
  const { rewrites, reason } = decided(pod, cluster);
  return rewrites[0]?.image ?? reason;
}

function inRegion(region: string, overrides: Overrides = {}): Pod {
  return webPod(SOURCE, { ...overrides, spec: { nodeSelector: { [REGION]: region } } });
}

describe('a Pod runs the copy of its region', () => {
  test('when its node selector names the region', () => {
    assert.equal(outcome(inRegion('eu')), EU);
    assert.equal(outcome(inRegion('us')), US);
  });

  test('when every node that it may land on is of the region, whatever it selects them by', () => {
    const nodes = [nodeIn('eu', 'eu-1', { metadata: { labels: { pool: 'a' } } }), nodeIn('us', 'us-1')];
    assert.equal(outcome(webPod(SOURCE, { spec: { nodeSelector: { pool: 'a' } } }), { nodes }), EU);
    assert.equal(outcome(webPod(SOURCE), { nodes: [nodeIn('us', 'us-1')] }), US);
  });

  test('when it is bound to a node, as each Pod of a DaemonSet is', () => {
    assert.equal(outcome(webPod(SOURCE, { spec: { nodeName: 'us-1' } })), US);
  });

  test('when nodes of other regions are none that it would be rewritten for', () => {
    const plain = plainNode('us-2', { metadata: { labels: { [REGION]: 'us' } } });
    assert.equal(outcome(webPod(SOURCE), { nodes: [nodeIn('eu', 'eu-1'), plain] }), EU);
  });

  test('when it pins the digest of the source', () => {
    const pinned = webPod(`registry.test/web@${replicated().status?.source?.digest}`);
    assert.equal(outcome(pinned, { nodes: [nodeIn('eu', 'eu-1')] }), EU);
  });

  test('where Nydus is the default snapshotter', () => {
    assert.equal(outcome(inRegion('eu'), { config: DEFAULT_SNAPSHOTTER }), EU);
  });

  test('in its ephemeral containers too, by the node that it runs on', () => {
    const pod = webPod(EU, {
      metadata: { annotations: { 'io.containerd.cri.runtime-handler': 'nydus' } },
      spec: { runtimeClassName: 'nydus', nodeName: 'eu-1', ephemeralContainers: [{ name: 'shell', image: SOURCE }] },
    });
    const index = indexOf({ images: [replicated()], nodes: TWO_REGIONS });
    assert.equal(decideEphemeral(pod, webPod(EU), 'team-a', index, NOW).rewrites[0]?.image, EU);
  });
});

describe('a Pod runs the artifact itself', () => {
  test('when it may land in several regions', () => assert.equal(outcome(webPod(SOURCE)), ARTIFACT));

  test('when a node of the other region is only not Ready for the moment', () => {
    const down = nodeIn('us', 'us-1', { status: { conditions: [] } });
    assert.equal(outcome(webPod(SOURCE), { nodes: [nodeIn('eu', 'eu-1'), down] }), ARTIFACT);
  });

  test('when a node that it may land on is of no region', () => {
    assert.equal(outcome(webPod(SOURCE), { nodes: [nodeIn('eu', 'eu-1'), nodeIn(undefined, 'n1')] }), ARTIFACT);
  });

  test('when its region is to have no copy', () => {
    assert.equal(outcome(webPod(SOURCE), { nodes: [nodeIn('asia', 'asia-1')] }), ARTIFACT);
  });

  test('when the spec does not want a copy there any more', () => {
    const image = replicated();
    image.spec.replicas = [];
    assert.equal(outcome(inRegion('eu'), { images: [image] }), ARTIFACT);
  });
});

describe('a Pod of a region is left as it was: ReplicaNotReady', () => {
  const leaves = (replica: object | undefined, overrides: Overrides = {}): void => {
    const images = [replicated(replica === undefined ? [] : [replica, copy('us', US)], overrides)];
    assert.equal(outcome(inRegion('eu'), { images }), 'ReplicaNotReady');
  };

  test('while nobody has looked at its copy', () => leaves(undefined));
  for (const state of ['Pending', 'Copying', 'Failed']) {
    test(`while its copy is ${state}`, () => leaves(copy('eu', EU, { state })));
  }

  test('while its copy is of an older artifact', () =>
    leaves(copy('eu', `registry.eu.test/web:1-nydus@${OTHER_DIGEST}`, { digest: OTHER_DIGEST })));

  test('when the copy in the status is not pinned to the digest that was verified', () => {
    leaves(copy('eu', 'registry.eu.test/web:1-nydus'));
    leaves(copy('eu', `registry.eu.test/web:1-nydus@${OTHER_DIGEST}`));
  });

  test('while its copy is where the spec wanted it before', () =>
    leaves(copy('eu', `registry.old.test/web:1-nydus@${ARTIFACT_DIGEST}`)));

  test('and Pods of other regions are not', () => {
    const images = [replicated([copy('eu', EU, { state: 'Failed' }), copy('us', US)])];
    assert.equal(outcome(inRegion('us'), { images }), US);
    assert.equal(outcome(webPod(SOURCE), { images }), ARTIFACT);
  });

  test('and explain says which copy, why it is not there, and what to do', () => {
    const images = [replicated([copy('eu', EU, { state: 'Failed', reason: 'CredentialsRejected' })])];
    const { message, remedy } = explain(decided(inRegion('eu'), { images }));
    assert.equal(
      message,
      'the copy of AcceleratedImage team-a/web for the region eu is not Ready: Failed, CredentialsRejected',
    );
    assert.match(remedy ?? '', /status\.replicas/);
  });
});

describe('the pull secret of a copy', () => {
  const spec = { source: { pullSecretRef: { name: 'pull' } } };
  const secretsOf = (pod: Pod, overrides: Overrides = { spec }): readonly string[] =>
    decided(pod, { images: [replicated(undefined, overrides)] }).pullSecrets;

  test('is its own', () => assert.deepEqual(secretsOf(inRegion('us')), ['us']));
  test("is the target's where it has none", () => assert.deepEqual(secretsOf(inRegion('eu')), ['pull']));
  test('is given to no Pod that runs the artifact', () => assert.deepEqual(secretsOf(webPod(SOURCE)), []));

  test("that lies in the operator's namespace keeps Pods of others as they are", () => {
    const shared = replicated(undefined, { metadata: { namespace: 'slipstream-system' } });
    assert.equal(outcome(inRegion('us'), { images: [shared] }), 'PullSecretMissing');
    assert.equal(outcome(inRegion('eu'), { images: [shared] }), EU);
  });
});

describe('a copy is known as an artifact', () => {
  const index = indexOf({ images: [replicated()], nodes: TWO_REGIONS });

  test('a second call changes nothing', () => {
    const patched = applyPatch(inRegion('eu'), patchOf(decide(inRegion('eu'), 'team-a', index, NOW)));
    assert.equal(patched.spec?.containers[0]?.image, EU);
    assert.deepEqual(patchOf(decide(patched, 'team-a', index, NOW)), []);
  });

  test('a Pod that was copied with it in it gets what it needs to run', () => {
    const { reason, earlier, rewrites } = decide(webPod(EU), 'team-a', index, NOW);
    assert.deepEqual([reason, earlier.get('web'), rewrites], ['Rewritten', SOURCE, []]);
  });

  test('also while it is being looked at again', () => {
    const images = [replicated([copy('eu', EU, { state: 'Failed' })])];
    assert.equal(decide(webPod(EU), 'team-a', indexOf({ images }), NOW).reason, 'Rewritten');
  });
});

test('a PrefetchPolicy warms the copy that the Pods of its target will run', () => {
  const index = indexOf({ images: [replicated()], nodes: TWO_REGIONS });
  assert.equal(resolveTemplate(inRegion('eu'), 'team-a', index, NOW).images[0]?.image, EU);
});

describe('nodes', () => {
  test('whose region becomes known, or changes, count at the next Pod', () => {
    const index = indexOf({ images: [replicated()], nodes: [nodeIn(undefined, 'n1')] });
    const runs = (): string | undefined => decide(webPod(SOURCE), 'team-a', index, NOW).rewrites[0]?.image;
    assert.equal(runs(), ARTIFACT);
    index.upsertNode(nodeIn('eu', 'n1'));
    assert.equal(runs(), EU);
    index.upsertNode(nodeIn('us', 'n2'));
    assert.equal(runs(), ARTIFACT);
    index.deleteNode(nodeIn('eu', 'n1'));
    assert.equal(runs(), US);
  });
});

describe('the table of the API server', () => {
  const entryOf = (nodes: Node[], images = [replicated()]) =>
    rewriteTable('team-a', indexOf({ images, nodes }), NOW).spec?.images[SOURCE];

  test('holds the copy where all nodes are of one region, and its pull secret', () => {
    const entry = entryOf([nodeIn('us', 'us-1')]);
    assert.deepEqual([entry?.image, entry?.pullSecret], [US, 'us']);
  });

  test('holds the artifact where they are of several', () => assert.equal(entryOf(TWO_REGIONS)?.image, ARTIFACT));

  test('holds nothing while the copy of the one region is not Ready', () =>
    assert.equal(entryOf([nodeIn('us', 'us-1')], [replicated([])]), undefined));

  test('is not for Pods whose tolerations may lead into another region', () => {
    const tainted = nodeIn('us', 'us-1', { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } });
    const entry = entryOf([nodeIn('eu', 'eu-1'), tainted]);
    assert.deepEqual([entry?.image, entry?.notFor], [EU, ['Tolerations', 'Claims']]);
  });
});
