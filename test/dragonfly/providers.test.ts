import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ManagerProvider } from '../../src/dragonfly/manager.ts';
import type { PreheatScope } from '../../src/dragonfly/preheat.ts';
import { SeedPeersProvider } from '../../src/dragonfly/seedpeers.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { startManager } from '../doubles/dragonfly-manager.ts';
import type { ManagerDouble } from '../doubles/dragonfly-manager.ts';
import { conformance } from './conformance.ts';
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
  world = stack.use(await startWorld(2));
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

test('a manager that warms under the ids of URLs says SUCCESS, and is not believed', async () => {
  const image = await world.pushImage([2.5 * PIECE]);
  const warmed = managed(oldManager).warm(image, { timeoutMs: 120_000, signal });
  await assert.rejects(warmed, {
    kind: 'Failed',
    message: /ended with SUCCESS, and [12] blobs? (is|are) not warm.*v2\.5\.1/,
  });
  // It did move the bytes, to where nobody looks for them.
  assert.ok(world.origin.bytes(image.blobs[1]?.digest) > 2 * 2.5 * PIECE);
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
