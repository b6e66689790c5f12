import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProviderError } from '../../src/dragonfly/provider.ts';
import type { Provider, WarmImage, WarmProgress } from '../../src/dragonfly/provider.ts';
import { until } from '../support/until.ts';
import { PIECE } from './world.ts';
import type { World } from './world.ts';

/** Requests that one warm and its verifications may send to an origin that is in trouble, for a blob of a few pieces. */
const MOST_REQUESTS = 150;

const signal = new AbortController().signal;

/**
 * What every provider promises of warms that go on at the same time, and of what goes wrong in their middle.
 * @param world has three seeds
 * @param make makes a provider for all seeds
 */
export function disruptions(name: string, world: () => World, make: (world: World) => Provider): void {
  async function coldSeeds(provider: Provider, image: WarmImage): Promise<string[]> {
    const states = await provider.verify(image, { signal });
    return [...new Set(states.flatMap(({ seed, warm }) => (warm ? [] : [seed])))].toSorted();
  }

  describe(`${name}, in trouble and in company`, () => {
    test('progress rises, and ends at all blobs and all bytes of the image', async () => {
      const image = await world().pushImage([2.5 * PIECE, PIECE + 1, 1000]);
      const seen: WarmProgress[] = [];
      await make(world()).warm(image, { timeoutMs: 120_000, signal, onProgress: (progress) => seen.push(progress) });
      assert.ok(seen.every(({ bytes }, i) => bytes >= (seen[i - 1]?.bytes ?? 0)));
      const bytes = image.blobs.reduce((sum, { size }) => sum + size, 0);
      assert.deepEqual(seen.at(-1), { blobs: image.blobs.length, bytes });
    });

    test('images that share a blob and are warmed at the same time cost the origin one copy of it for each seed', async () => {
      const { origin, seeds } = world();
      const [one, two] = await world().pushImagesSharing([2.5 * PIECE], [PIECE], [PIECE + 1]);
      const [, shared] = one?.blobs ?? [];
      assert.ok(one !== undefined && two !== undefined && shared !== undefined);
      const provider = make(world());
      await Promise.all([one, two].map((image) => provider.warm(image, { timeoutMs: 120_000, signal })));
      const copies = origin.bytes(shared.digest) / shared.size;
      assert.ok(copies <= seeds.length + 0.01, `${copies} copies`);
      assert.deepEqual(await coldSeeds(provider, two), []);
    });

    test('a seed that dies in the middle is named, and the others are warm', async () => {
      const { origin, seeds } = world();
      const provider = make(world());
      const image = await world().pushImage([2.5 * PIECE]);
      const before = origin.requests();
      const release = origin.hold();
      try {
        const warmed = provider.warm(image, { timeoutMs: 60_000, signal });
        const rejected = assert.rejects(warmed, (error) => {
          assert.ok(error instanceof ProviderError);
          assert.match(error.message, /seed-1/);
          return true;
        });
        await until('the seeds ask the origin', () => Promise.resolve(origin.requests() > before));
        await seeds[1]?.kill();
        release();
        await rejected;
        assert.deepEqual(await coldSeeds(provider, image), ['seed-1']);
      } finally {
        release();
        await seeds[1]?.restart();
      }
    });

    for (const status of [401, 403, 404]) {
      test(`an origin that answers ${status} in the middle ends the warm, after a few requests`, async () => {
        const { origin } = world();
        const image = await world().pushImage([3.5 * PIECE]);
        const refused = origin.refuseAfter(3, image.blobs[1]?.digest ?? '', status);
        const before = origin.requests();
        try {
          await assert.rejects(make(world()).warm(image, { timeoutMs: 60_000, signal }), (error) => {
            assert.ok(error instanceof ProviderError);
            assert.equal(error.reason, 'OriginRejected');
            assert.match(error.message, new RegExp(`the origin answered ${status}`));
            return true;
          });
          await refused;
          assert.ok(origin.requests() - before < MOST_REQUESTS, `${origin.requests() - before} requests`);
        } finally {
          origin.refuseWith(undefined);
        }
      });
    }

    for (const status of [429, 503]) {
      test(`an origin that answers ${status} in the middle is asked a few times, until time is up`, async () => {
        const { origin } = world();
        const provider = make(world());
        const image = await world().pushImage([3.5 * PIECE]);
        const refused = origin.refuseAfter(3, image.blobs[1]?.digest ?? '', status);
        const before = origin.requests();
        try {
          await assert.rejects(provider.warm(image, { timeoutMs: 4000, signal }), ProviderError);
          await refused;
          assert.ok(origin.requests() - before < MOST_REQUESTS, `${origin.requests() - before} requests`);
        } finally {
          origin.refuseWith(undefined);
        }
        await provider.warm(image, { timeoutMs: 60_000, signal });
        assert.deepEqual(await coldSeeds(provider, image), []);
      });
    }
  });
}
