import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { acceleratedImages, jobs, pods } from '../../../src/kube/resources.ts';
import { NODE_PATHS } from '../../../hack/cluster/node-config.ts';
import { toolPath } from '../../../hack/tools/locate.ts';
import { pushLargeImage } from './images.ts';
import {
  accelerate,
  BUSYBOX_IMAGE,
  isRewritten,
  leader,
  namespace,
  openWorld,
  OPERATOR_NAMESPACE,
  ready,
  REGISTRY,
  until,
  type World,
} from './world.ts';

/** The bound on the time without a leader: 15 s of lease, and what it takes to try again. */
const TAKEOVER_MS = 20_000;

let world: World;

before(async () => {
  world = await openWorld();
});

after(() => world?.client.close());

/** Kills a Pod's process as an OOM or a crash would: at once, without a word to anyone. */
async function killNine(name: string): Promise<void> {
  const pod = await world.client.get(pods, { namespace: OPERATOR_NAMESPACE, name });
  const node = world.cluster.nodes.find((one) => one.name === pod.spec?.nodeName);
  const id = pod.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '';
  assert.ok(node && id);
  await node.run([
    toolPath('ctr'),
    '--address',
    NODE_PATHS.containerd,
    '--namespace',
    'k8s.io',
    'tasks',
    'kill',
    '--signal',
    'SIGKILL',
    id,
  ]);
}

test('kill -9 of the leader during a conversion: one Job, the same digest, a new leader in 20 s, the webhook never away', async () => {
  await accelerate(world, 'steady', BUSYBOX_IMAGE);
  const image = `${REGISTRY}/e2e/large:1`;
  await pushLargeImage(image);
  const old = await leader(world);
  await world.client.create(acceleratedImages, {
    metadata: { namespace, name: 'large' },
    spec: { source: { image } },
  });
  await until('the conversion runs', async () => {
    const { status } = await world.client.get(acceleratedImages, { namespace, name: 'large' });
    return status?.conversion?.phase === 'Running';
  });

  const rewritten: boolean[] = [];
  const watching = new AbortController();
  const asking = (async () => {
    while (!watching.signal.aborted) {
      rewritten.push(await isRewritten(world));
    }
  })();

  await killNine(old.split('_')[0] ?? '');
  const killed = performance.now();
  const askedBefore = rewritten.length;
  await until('another replica leads', async () => {
    const now = await leader(world);
    return now !== '' && now !== old;
  });
  assert.ok(performance.now() - killed < TAKEOVER_MS);
  const askedMeanwhile = rewritten.slice(askedBefore);
  const converted = await ready(world, 'large');
  watching.abort();
  await asking;

  // Until its endpoint is gone, a call may reach the dead replica: that Pod is admitted as it is. The other one goes on.
  assert.ok(askedMeanwhile.includes(true));
  assert.deepEqual(new Set(rewritten.slice(-20)), new Set([true]));
  const { items } = await world.client.list(jobs, { namespace });
  const conversion = items.filter(
    (job) => job.metadata.labels?.['slipstream.dev/conversion'] === converted.status?.conversion?.hash,
  );
  assert.equal(conversion.length, 1);

  // The same source converted once more, elsewhere, has the same digest: what was interrupted is what would have been.
  await world.client.create(acceleratedImages, {
    metadata: { namespace, name: 'again' },
    spec: { source: { image }, target: { repository: `${REGISTRY}/e2e/again` } },
  });
  const again = await ready(world, 'again');
  assert.equal(again.status?.artifact?.digest, converted.status?.artifact?.digest);
});
