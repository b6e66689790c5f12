import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadKubeClient } from '../../../src/kube/client.ts';
import { runtimeClasses } from '../../../src/kube/resources.ts';
import { openCluster, type ClusterNode } from '../../../hack/cluster/cluster.ts';
import { coldNode } from '../../../hack/cluster/cold.ts';
import { peerPart } from '../../../hack/cluster/node.ts';
import { convertDirectly } from '../../bench/convert-directly.ts';
import { pushNoiseImage } from '../../support/noise-image.ts';
import { createPod, namespace, REGISTRY, removePod, until, type World } from './world.ts';

const OCI = `${REGISTRY}/nodes/noise:1`;
const MEBIBYTES = 24;
const SIZE = MEBIBYTES * 2 ** 20;
/** Manifests, the tree of a Nydus image, and what the protocols add. */
const LITTLE = SIZE / 4;

let world: World;
let node: ClusterNode;
let other: ClusterNode;
let nydus: string;

before(async () => {
  world = { cluster: await openCluster(), client: loadKubeClient({ userAgent: 'slipstream-e2e' }) };
  const [first, second] = world.cluster.nodes;
  assert.ok(first !== undefined && second !== undefined);
  node = first;
  other = second;
  await world.client.create(runtimeClasses, { metadata: { name: 'nydus' }, handler: 'nydus' });
  await pushNoiseImage(OCI, MEBIBYTES);
  nydus = await convertDirectly(OCI, `${OCI}-nydus`);
});

after(() => world?.client.close());

/** Has a Pod on an emptied node read all of an image; gives the bytes that the registry sent for it. */
async function costOf(image: string, name: string, on = node): Promise<number> {
  await coldNode(on);
  const sent = await world.cluster.originBytes();
  await createPod(world, name, {
    image,
    // It goes on: the container of a Pod that has ended stays on the node for a minute longer than the Pod.
    command: ['/bin/sh', '-c', 'cat /noise | wc -c; exec sleep 3600'],
    graceSeconds: 1,
    node: on.name,
    ...(image === nydus ? { runtimeClassName: 'nydus' } : {}),
  });
  await until(`Pod ${name} has read its image`, async () => {
    const log = await world.client.podLogs({ namespace, name }, {});
    return Number(log) === SIZE;
  });
  await removePod(world, name);
  return (await world.cluster.originBytes()) - sent;
}

for (const [puller, imageOf] of [
  ['containerd', () => OCI],
  ['nydusd', () => nydus],
] as const) {
  test(`what ${puller} reads comes through the node's peer, which needs the registry no second time`, async () => {
    const first = await costOf(imageOf(), `${puller}-first`);
    assert.ok(first >= SIZE, `${first} bytes`);
    const second = await costOf(imageOf(), `${puller}-second`);
    assert.ok(second < LITTLE, `${second} bytes`);
  });

  test(`what ${puller} of one node has read, that of another gets from its peers`, async () => {
    const elsewhere = await costOf(imageOf(), `${puller}-elsewhere`, other);
    assert.ok(elsewhere < LITTLE, `${elsewhere} bytes`);
  });
}

test('with the peer killed, new Pods start from the registry; with the peer back, through it again', async () => {
  await world.cluster.control(peerPart(node.name), 'kill');
  assert.ok((await costOf(OCI, 'oci-without')) >= SIZE);
  assert.ok((await costOf(nydus, 'nydus-without')) >= SIZE);
  await world.cluster.control(peerPart(node.name), 'start');
  assert.ok((await costOf(OCI, 'oci-again')) < LITTLE);
  assert.ok((await costOf(nydus, 'nydus-again')) < LITTLE);
});
