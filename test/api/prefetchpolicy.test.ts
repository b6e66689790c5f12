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

  seed.pieces.clear();
  await clock.sleep(2 * MINUTE_MS);
  const evicted = await reconcile();
  assert.equal(conditionOf(evicted, 'Warm'), 'False Evicted');
  assert.equal(evicted.status?.warm, '0/3');

  assert.equal(conditionOf(await reconcile({ desiredReplicas: 3 }), 'Warm'), 'True Warm');
});
