import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { conditionOf, startPrefetchWorld } from './prefetch-world.ts';
import type { PrefetchWorld } from './prefetch-world.ts';

const MINUTE_MS = 60_000;

let world: PrefetchWorld;
before(async () => {
  world = await startPrefetchWorld();
});
after(async () => await world?.[Symbol.asyncDispose]());

test('a policy warms exactly the blobs of the next Pod, sees an eviction, and warms again at the next sign', async () => {
  const { origin, seed } = world;
  const image = origin.addImage('shop/web', '1', { layers: [Buffer.alloc(1000, 1), Buffer.alloc(2000, 2)] });
  origin.addImage('shop/other', '1');
  const { clock, reconcile } = await world.policy('web');

  const idle = await reconcile();
  assert.equal(conditionOf(idle, 'Warm'), 'False NotWarmed');
  assert.equal(seed.requests.length, 0);

  const warmed = await reconcile({ desiredReplicas: 3 });
  assert.equal(conditionOf(warmed, 'Warm'), 'True Warm');
  const manifest = image.platforms[0]?.manifest;
  const blobs = [manifest?.config, ...(manifest?.layers ?? [])].map((blob) => blob?.digest.replace('sha256:', ''));
  assert.deepEqual(new Set(seed.pieces.keys()), new Set(blobs));
  assert.deepEqual(warmed.status?.images?.[0]?.blobs, { total: 3, warm: 3 });
  assert.equal(warmed.status?.decision?.warmVerifiedAt, warmed.status?.lastWarmAt);
  assert.equal(warmed.status?.decision?.bytes, warmed.status?.images?.[0]?.bytes);

  // No scale-out came.
  await clock.sleep(11 * MINUTE_MS);
  await reconcile();
  seed.pieces.clear();
  await clock.sleep(2 * MINUTE_MS);
  const evicted = await reconcile();
  assert.equal(conditionOf(evicted, 'Warm'), 'False Evicted');
  assert.equal(evicted.status?.warm, '0/3');

  assert.equal(conditionOf(await reconcile({ desiredReplicas: 3 }), 'Warm'), 'True Warm');
});

test('what was verified within the minute costs the registry and the seed peers nothing to look at again', async () => {
  const { origin, seed } = world;
  origin.addImage('shop/calm', '1');
  const { clock, reconcile } = await world.policy('calm');
  await reconcile({ desiredReplicas: 3 });
  const before = [origin.requests.length, seed.requests.length];
  for (let look = 0; look < 3; look += 1) {
    await clock.sleep(15_000);
    assert.equal(conditionOf(await reconcile(), 'Warm'), 'True Warm');
  }
  assert.deepEqual([origin.requests.length, seed.requests.length], before);
  await clock.sleep(15_000);
  await reconcile();
  assert.ok(seed.requests.length > (before[1] ?? 0), 'a minute is over');
});

/** How often the seed was told to bring a blob whole. */
function prefetches(): number {
  return world.seed.requests.filter(({ prefetch, path }) => prefetch && path.includes('/blobs/')).length;
}

test('what is evicted before the foreseen scale-out has come is warmed again at once, without another sign', async () => {
  const { origin, seed } = world;
  origin.addImage('shop/awaited', '1');
  const { clock, reconcile } = await world.policy('awaited');
  assert.equal(conditionOf(await reconcile({ desiredReplicas: 3 }), 'Warm'), 'True Warm');
  seed.pieces.clear();
  await clock.sleep(2 * MINUTE_MS);
  assert.equal(conditionOf(await reconcile(), 'Warm'), 'True Warm');
});

test('a seed that throws away what it was just given costs the origin a few copies for a scale-out, not one a minute', async () => {
  const { origin, seed } = world;
  const image = origin.addImage('shop/thrashing', '1', { layers: [Buffer.alloc(1000, 3)] });
  const blobs = 1 + (image.platforms[0]?.manifest.layers.length ?? 0);
  const { clock, reconcile } = await world.policy('thrashing');
  await reconcile({ desiredReplicas: 3 });
  const before = prefetches();
  const seen = new Set<string>();
  for (let minute = 0; minute < 10; minute++) {
    seed.pieces.clear();
    await clock.sleep(MINUTE_MS);
    seen.add(conditionOf(await reconcile(), 'Warm'));
  }
  const warms = (prefetches() - before) / blobs;
  assert.ok(warms >= 2 && warms <= 4, `${warms} warms`);
  assert.deepEqual([...seen].toSorted(), ['False Evicted', 'True Warm']);
});

test('a full seed is SeedDiskFull on the image and on the condition, with what to do', async () => {
  const { origin } = world;
  origin.addImage('shop/full', '1');
  const { reconcile } = await world.policy('full');
  world.failSeed(({ prefetch }) =>
    prefetch ? { status: 507, headers: { 'X-Dragonfly-Error-Type': 'dfdaemon' } } : undefined,
  );
  try {
    const { status } = await reconcile({ desiredReplicas: 3 });
    assert.equal(status?.images?.[0]?.reason, 'SeedDiskFull');
    assert.match(status?.images?.[0]?.message ?? '', /has no space left for the blob: give it a larger disk/);
    const warm = status?.conditions?.find(({ type }) => type === 'Warm');
    assert.deepEqual([warm?.reason, warm?.message], ['SeedDiskFull', status?.images?.[0]?.message]);
  } finally {
    world.failSeed(() => undefined);
  }
});

test('an image of another platform than the nodes is WrongPlatform, and is not warmed', async () => {
  const { origin } = world;
  origin.addImage('shop/arm', '1', { platforms: ['linux/arm64'] });
  const { status } = await (await world.policy('arm')).reconcile({ desiredReplicas: 3 });
  const warm = status?.conditions?.find(({ type }) => type === 'Warm');
  assert.equal(warm?.reason, 'WrongPlatform');
  assert.match(warm.message, /is of linux\/arm64, and the nodes are linux\/amd64: push the image for them/);
});

test('with seedReplicas each blob is on as many seed peers', async () => {
  const { origin } = world;
  origin.addImage('shop/spread', '1');
  const { reconcile } = await world.policy('spread', { warm: { seedReplicas: 1 } });
  const { status } = await reconcile({ desiredReplicas: 3 });
  assert.deepEqual([status?.images?.[0]?.state, status?.images?.[0]?.seeds?.length], ['Warm', 1]);
});

test('a new policy says from its first warm on that Pods may wait for it', async (t) => {
  world.origin.addImage('shop/held', '1');
  const { deps, reconcile } = await world.policy('held', { hold: { maxDuration: '1m' } });
  const written = t.mock.method(deps.status, 'write');
  await reconcile({ desiredReplicas: 3 });
  const holding = written.mock.calls.map(({ arguments: [policy, status] }) =>
    conditionOf({ ...policy, status }, 'Holding'),
  );
  assert.ok(holding.length >= 2, 'one while it warms, one after');
  assert.deepEqual(new Set(holding), new Set(['True ReleaserAlive']));
});
