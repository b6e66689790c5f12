import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Blob } from '../../src/dragonfly/provider.ts';
import { SeedPeersProvider } from '../../src/dragonfly/seedpeers.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { PIECE, ask, startWorld } from './world.ts';
import type { World } from './world.ts';

const signal = new AbortController().signal;
let world: World;

before(async () => {
  world = await startWorld(2);
});
after(() => world[Symbol.asyncDispose]());

test('of a blob that is wanted in part, those pieces are warm and the others were never asked for', async () => {
  const { origin, seeds } = world;
  const whole = await world.pushImage([6 * PIECE]);
  const [, layer] = whole.blobs;
  assert.ok(layer !== undefined);
  const wanted: Blob = {
    ...layer,
    ranges: [
      { offset: PIECE + 5, length: 10 },
      { offset: 4 * PIECE, length: 1 },
    ],
  };
  const provider = new SeedPeersProvider({ seeds: world.addresses, clock: systemClock });
  await provider.warm({ ...whole, blobs: [wanted] }, { timeoutMs: 120_000, signal });
  assert.ok(origin.bytes(layer.digest) <= seeds.length * (2 * PIECE + 4), `${origin.bytes(layer.digest)} bytes`);
  const parts = await provider.verify({ ...whole, blobs: [wanted] }, { signal });
  assert.deepEqual(
    parts.map(({ warm }) => warm),
    [true, true],
  );

  const before = origin.bytes(layer.digest);
  for (const seed of seeds) {
    const range = `bytes=${4 * PIECE}-${5 * PIECE - 1}`;
    const answer = await ask(seed, layer, { range, 'x-dragonfly-prefetch': 'false' });
    assert.equal((await answer.arrayBuffer()).byteLength, PIECE);
  }
  assert.equal(origin.bytes(layer.digest), before);

  const states = await provider.verify({ ...whole, blobs: [layer] }, { signal });
  assert.deepEqual(
    states.map(({ warm }) => warm),
    [false, false],
    'a warm part is no warm blob',
  );
});
