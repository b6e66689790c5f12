import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ManagerProvider } from '../../src/dragonfly/manager.ts';
import type { PreheatScope } from '../../src/dragonfly/preheat.ts';
import { SeedPeersProvider } from '../../src/dragonfly/seedpeers.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { startManager } from '../doubles/dragonfly-manager.ts';
import type { ManagerDouble } from '../doubles/dragonfly-manager.ts';
import { until } from '../support/until.ts';
import { conformance } from './conformance.ts';
import { disruptions } from './disruptions.ts';
import { PIECE, ask, startWorld } from './world.ts';
import type { World } from './world.ts';

const TOKEN = 'pat';

const stack = new AsyncDisposableStack();
const signal = new AbortController().signal;
let world: World;
/** A manager after v2.5.1, and v2.5.1. */
let manager: ManagerDouble;
let oldManager: ManagerDouble;

before(async () => {
  world = stack.use(await startWorld(3));
  const options = { token: TOKEN, clock: systemClock, lagMs: 100, seeds: await world.addresses() };
  manager = stack.use(await startManager({ ...options, knowsDigestTaskIDs: true }));
  oldManager = stack.use(await startManager(options));
});
after(() => stack.disposeAsync());

function seedPeers({ addresses }: World): SeedPeersProvider {
  return new SeedPeersProvider({ seeds: addresses, clock: systemClock });
}

function managed(double: ManagerDouble, scope: PreheatScope = 'all_seed_peers'): ManagerProvider {
  return new ManagerProvider({
    url: double.url,
    token: () => Promise.resolve(TOKEN),
    clusterIDs: [1],
    scope,
    seeds: world.addresses,
    clock: systemClock,
  });
}

conformance('the provider that asks the seed peers', () => world, seedPeers);
conformance(
  'the provider that asks a manager',
  () => world,
  () => managed(manager),
);

disruptions('the provider that asks the seed peers', () => world, seedPeers);
disruptions(
  'the provider that asks a manager',
  () => world,
  () => managed(manager),
);

test('after an abort no blob is asked for that was not under way', async () => {
  const { origin } = world;
  const image = await world.pushImage(Array.from({ length: 24 }, () => 1000));
  const before = origin.requests();
  const release = origin.hold();
  try {
    const abort = new AbortController();
    const provider = seedPeers(world);
    const warmed = provider.warm(image, { timeoutMs: 120_000, signal: abort.signal });
    await until('the seeds ask the origin', () => Promise.resolve(origin.requests() > before));
    abort.abort(new Error('not needed any more'));
    await assert.rejects(warmed, /not needed any more/);
    release();
    // What comes after it is not kept waiting.
    await provider.warm(await world.pushImage([2.5 * PIECE]), { timeoutMs: 120_000, signal });
    const asked = image.blobs.filter(({ digest }) => origin.requests(digest) > 0);
    assert.ok(asked.length <= 4 * world.seeds.length, `${asked.length} blobs`);
  } finally {
    release();
  }
});

test('with two replicas each blob is on two seeds, costs two copies, and can be pulled from every one', async () => {
  const { origin, seeds } = world;
  const image = { ...(await world.pushImage([2.5 * PIECE, PIECE, 1000])), seedReplicas: 2 };
  const provider = seedPeers(world);
  await provider.warm(image, { timeoutMs: 120_000, signal });
  const states = await provider.verify(image, { signal });
  assert.deepEqual([states.length, states.every(({ warm }) => warm)], [2 * image.blobs.length, true]);
  for (const { digest, size } of image.blobs) {
    assert.ok(origin.bytes(digest) <= 2 * size + 8, `${digest}: ${origin.bytes(digest)} of ${size}`);
  }
  for (const seed of seeds) {
    for (const blob of image.blobs) {
      assert.equal(await world.pull(seed, blob), blob.digest);
    }
  }
});

test('a seed without room for a blob says so, and nothing is left half way', async () => {
  await using small = await startWorld(1, { diskThreshold: '8MiB' });
  const image = await small.pushImage([5 * PIECE]);
  const provider = seedPeers(small);
  const warmed = provider.warm(image, { timeoutMs: 60_000, signal });
  await assert.rejects(warmed, { reason: 'SeedDiskFull', message: /seed-0 at .* has no space left for the blob/ });
  const states = await provider.verify(image, { signal });
  assert.deepEqual(
    states.map(({ warm, reason }) => (warm ? 'warm' : reason)),
    ['warm', 'SeedDiskFull'],
  );
});

test('a job that stays PENDING and brings nothing is given up when time is up', async () => {
  await using stuck = await startManager({ token: TOKEN, clock: systemClock, lagMs: 3_600_000, seeds: [] });
  const image = await world.pushImage([1000]);
  const warmed = managed(stuck).warm(image, { timeoutMs: 3000, signal });
  await assert.rejects(warmed, { kind: 'TimedOut', message: /the job is PENDING; seed-\d does not have all of/ });
});

test('a manager that dies when it has started a job is not needed any more: what came is verified', async () => {
  const seeds = await world.addresses();
  const dying = await startManager({ token: TOKEN, clock: systemClock, seeds, knowsDigestTaskIDs: true });
  const image = await world.pushImage([1000]);
  const warmed = managed(dying).warm(image, { timeoutMs: 60_000, signal });
  await until('the blobs have come', async () => {
    const states = await seedPeers(world).verify(image, { signal });
    return states.every(({ warm }) => warm);
  });
  await dying[Symbol.asyncDispose]();
  await warmed;
  await assert.rejects(managed(dying).check({ signal }), {
    kind: 'Unreachable',
    message: /use the provider type seedPeers/,
  });
});

test('a job that says SUCCESS with layers that failed is believed for none of them', async () => {
  const image = await world.pushImage([1000, 2000]);
  const succeeded = image.blobs.slice(0, 1).map(({ url }) => url);
  const outcome = { state: 'SUCCESS' as const, succeeded, failed: [] };
  await using lying = await startManager({ token: TOKEN, clock: systemClock, lagMs: 100, outcome });
  const [config] = image.blobs;
  assert.ok(config !== undefined);
  await seedPeers(world).warm({ ...image, blobs: [config] }, { timeoutMs: 60_000, signal });
  await assert.rejects(managed(lying).warm(image, { timeoutMs: 60_000, signal }), {
    kind: 'Failed',
    message: /ended with SUCCESS, and 2 blobs are not warm/,
  });
});

test('a manager that warms under the ids of URLs says SUCCESS, and is not believed', async () => {
  const image = await world.pushImage([2.5 * PIECE]);
  const warmed = managed(oldManager).warm(image, { timeoutMs: 120_000, signal });
  await assert.rejects(warmed, {
    kind: 'Failed',
    message: /ended with SUCCESS, and [12] blobs? (is|are) not warm.*v2\.5\.1/,
  });
  // It did move the bytes, to where nobody looks for them.
  assert.ok(world.origin.bytes(image.blobs[1]?.digest) >= 2.5 * PIECE);
});

test('with the scope of a single seed, the image is warm on one of them', async () => {
  const image = await world.pushImage([2.5 * PIECE]);
  const provider = managed(manager, 'single_seed_peer');
  await provider.warm(image, { timeoutMs: 120_000, signal });
  const states = await provider.verify(image, { signal });
  const warm = states.filter((state) => state.warm && state.digest === image.blobs[1]?.digest);
  assert.deepEqual(
    warm.map(({ seed }) => seed),
    ['seed-0'],
  );
});

test('a prefetch that the origin broke off is made good, which dfdaemon does not do by itself', async () => {
  const image = await world.pushImage([6.5 * PIECE]);
  const [, layer] = image.blobs;
  assert.ok(layer !== undefined);
  const [seed] = world.seeds;
  assert.ok(seed !== undefined);
  // The stat of the blob, its first piece, and one that the prefetch asked for.
  const refused = world.origin.refuseAfter(3, layer.digest, 403);
  await (await ask(seed, layer, { range: 'bytes=0-0', 'x-dragonfly-prefetch': 'true' })).arrayBuffer();
  await refused;
  world.origin.refuseWith(undefined);
  await seedPeers(world).warm(image, { timeoutMs: 120_000, signal });
  const states = await seedPeers(world).verify(image, { signal });
  assert.ok(states.every(({ warm }) => warm));
});

test('seeds that file blobs under the ids of URLs are no use, and it is said what to set', async () => {
  await using misconfigured = await startWorld(1, { enableTaskIDBasedBlobDigest: false });
  const image = await misconfigured.pushImage([1000]);
  const provider = seedPeers(misconfigured);
  const [state] = await provider.verify(image, { signal });
  assert.equal(state?.reason, 'TaskIDMismatch');
  const warmed = provider.warm(image, { timeoutMs: 120_000, signal });
  await assert.rejects(warmed, { kind: 'Failed', message: /enableTaskIDBasedBlobDigest: true/ });
});
