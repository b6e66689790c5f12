import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadKubeClient } from '../../../src/kube/client.ts';
import { runtimeClasses } from '../../../src/kube/resources.ts';
import { openCluster, type ClusterNode } from '../../../hack/cluster/cluster.ts';
import { coldNode } from '../../../hack/cluster/cold.ts';
import { peerPart } from '../../../hack/cluster/node.ts';
import { convertDirectly } from '../../bench/convert-directly.ts';
import { pushNoiseImage } from '../../support/noise-image.ts';
import { TLS_REGISTRY } from '../../../hack/cluster/layout.ts';
import { createPod, namespace, REGISTRY, removePod, until, type World } from './world.ts';

const MEBIBYTES = 24;
const SIZE = MEBIBYTES * 2 ** 20;
/** Manifests, the tree of a Nydus image, and what the protocols add. */
const LITTLE = SIZE / 4;

let world: World;
let node: ClusterNode;
let other: ClusterNode;

/** An image in both formats, in the registry over plain HTTP and over HTTPS. */
const images = {
  'plain HTTP': { containerd: '', nydusd: '' },
  HTTPS: { containerd: '', nydusd: '' },
};

before(async () => {
  world = { cluster: await openCluster(), client: loadKubeClient({ userAgent: 'slipstream-e2e' }) };
  const [first, second] = world.cluster.nodes;
  assert.ok(first !== undefined && second !== undefined);
  node = first;
  other = second;
  await world.client.create(runtimeClasses, { metadata: { name: 'nydus' }, handler: 'nydus' });
  // Two of them: peers know a blob by its digest, whichever way it came.
  images['plain HTTP'] = await push('nodes/plain', REGISTRY);
  images.HTTPS = await push('nodes/tls', TLS_REGISTRY);
});

async function push(repository: string, host: string): Promise<{ containerd: string; nydusd: string }> {
  const image = `${REGISTRY}/${repository}:1`;
  await pushNoiseImage(image, MEBIBYTES);
  const nydus = await convertDirectly(image, `${image}-nydus`);
  return { containerd: image.replace(REGISTRY, host), nydusd: nydus.replace(REGISTRY, host) };
}

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
    ...(image.includes('-nydus@') ? { runtimeClassName: 'nydus' } : {}),
  });
  await until(`Pod ${name} has read its image`, async () => {
    const log = await world.client.podLogs({ namespace, name }, {});
    return Number(log) === SIZE;
  });
  await removePod(world, name);
  return (await world.cluster.originBytes()) - sent;
}

for (const scheme of ['plain HTTP', 'HTTPS'] as const) {
  for (const puller of ['containerd', 'nydusd'] as const) {
    const pod = `${puller}-${scheme === 'HTTPS' ? 'tls' : 'plain'}`;

    test(`what ${puller} reads over ${scheme} comes through the node's peer, which needs the registry no second time`, async () => {
      const first = await costOf(images[scheme][puller], `${pod}-first`);
      assert.ok(first >= SIZE, `${first} bytes`);
      const second = await costOf(images[scheme][puller], `${pod}-second`);
      assert.ok(second < LITTLE, `${second} bytes`);
    });

    test(`what ${puller} of one node has read over ${scheme}, that of another gets from its peers`, async () => {
      const elsewhere = await costOf(images[scheme][puller], `${pod}-elsewhere`, other);
      assert.ok(elsewhere < LITTLE, `${elsewhere} bytes`);
    });
  }
}

test('with the peer killed, new Pods start from the registry; with the peer back, through it again', async () => {
  const { 'plain HTTP': plain, HTTPS: tls } = images;
  await world.cluster.control(peerPart(node.name), 'kill');
  for (const [name, image] of Object.entries({ oci: plain.containerd, nydus: plain.nydusd, 'nydus-tls': tls.nydusd })) {
    assert.ok((await costOf(image, `${name}-without`)) >= SIZE, name);
  }
  await world.cluster.control(peerPart(node.name), 'start');
  assert.ok((await costOf(plain.containerd, 'oci-again')) < LITTLE);
  assert.ok((await costOf(plain.nydusd, 'nydus-again')) < LITTLE);
});
