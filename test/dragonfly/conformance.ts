import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProviderError } from '../../src/dragonfly/provider.ts';
import type { BlobState, Provider, WarmImage } from '../../src/dragonfly/provider.ts';
import { PIECE, readUntilFinished } from './world.ts';
import type { World } from './world.ts';

/** Three pieces, two pieces (of which one has a single byte), one piece. */
const LAYERS = [2.5 * PIECE, PIECE + 1, 1000];

const signal = new AbortController().signal;

/**
 * What every provider promises, tried on real seed peers and a real registry whose bytes are counted.
 * @param world has three seeds
 * @param make makes a provider for all seeds
 */
export function conformance(name: string, world: () => World, make: (world: World) => Provider): void {
  async function warm(provider: Provider, image: WarmImage): Promise<void> {
    await provider.warm(image, { timeoutMs: 120_000, signal });
  }

  /** States, each as `seed: warm` or `seed: reason`, once each. */
  async function verified(provider: Provider, image: WarmImage): Promise<string[]> {
    const states = await provider.verify(image, { signal });
    assert.equal(states.length, image.blobs.length * world().seeds.length);
    return [...new Set(states.map(inShort))].toSorted();
  }

  describe(name, () => {
    test('an image that nobody has warmed is cold, and finding out costs the origin one piece of a blob per seed at most', async () => {
      const { origin, seeds } = world();
      const provider = make(world());
      const image = await world().pushImage([2.5 * PIECE, 3 * PIECE]);
      const before = origin.bytes();
      const states = await provider.verify(image, { signal });
      const layers = states.filter(({ digest }) => digest !== image.blobs[0]?.digest);
      assert.deepEqual([...new Set(layers.map(inShort))].toSorted(), ['seed-0: Cold', 'seed-1: Cold', 'seed-2: Cold']);
      // The stat of a blob is a request for one byte of it.
      assert.ok(origin.bytes() - before <= seeds.length * (2 * PIECE + 512 + 3), `${origin.bytes() - before} bytes`);
    });

    test('a warm image is warm on every seed, and verifying that costs the origin not a single request', async () => {
      const { origin } = world();
      const provider = make(world());
      const image = await world().pushImage(LAYERS);
      await warm(provider, image);
      const requests = origin.requests();
      assert.deepEqual(await verified(provider, image), ['seed-0: warm', 'seed-1: warm', 'seed-2: warm']);
      assert.equal(origin.requests(), requests);
    });

    test('what is pulled from a warm seed is right, and costs the origin nothing', async () => {
      const { origin, seeds } = world();
      const image = await world().pushImage(LAYERS);
      await warm(make(world()), image);
      const before = origin.bytes();
      for (const seed of seeds) {
        for (const blob of image.blobs) {
          assert.equal(await world().pull(seed, blob), blob.digest);
        }
      }
      assert.equal(origin.bytes() - before, 0);
    });

    test('warming costs the origin one copy for each seed, and warming again nothing', async () => {
      const { origin, seeds } = world();
      const provider = make(world());
      const image = await world().pushImage(LAYERS);
      await warm(provider, image);
      for (const { digest, size } of image.blobs) {
        const stats = 4 * seeds.length;
        assert.ok(origin.bytes(digest) <= size * seeds.length + stats, `${digest}: ${origin.bytes(digest)} of ${size}`);
      }
      const before = origin.bytes();
      await warm(provider, image);
      // A manager reads the manifest again.
      assert.ok(origin.bytes() - before < 2000);
    });

    test('a blob of which somebody read a part is not warm, though the seed calls its task finished', async () => {
      const provider = make(world());
      const image = await world().pushImage([2.5 * PIECE]);
      const [, layer] = image.blobs;
      assert.ok(layer !== undefined);
      for (const seed of world().seeds) {
        await readUntilFinished(seed, layer);
      }
      const states = await provider.verify({ ...image, blobs: [layer] }, { signal });
      assert.deepEqual(states.map(inShort), ['seed-0: Cold', 'seed-1: Cold', 'seed-2: Cold']);
    });

    test('a seed that lost its store has evicted the image, still serves it, and can be warmed again', async () => {
      const provider = make(world());
      const image = await world().pushImage([2.5 * PIECE, 3 * PIECE]);
      await warm(provider, image);
      await verified(provider, image);
      await world().seeds[1]?.restart({ emptyStore: true });
      assert.deepEqual(await verified(provider, image), ['seed-0: warm', 'seed-1: Evicted', 'seed-2: warm']);
      const [, seed] = world().seeds;
      const [, layer] = image.blobs;
      assert.ok(seed !== undefined && layer !== undefined);
      assert.equal(await world().pull(seed, layer), layer.digest);
      await warm(provider, image);
      assert.deepEqual(await verified(provider, image), ['seed-0: warm', 'seed-1: warm', 'seed-2: warm']);
    });

    test('a seed that is started again with its store is still warm', async () => {
      const provider = make(world());
      const image = await world().pushImage(LAYERS);
      await warm(provider, image);
      await world().seeds[0]?.restart();
      assert.deepEqual(await verified(provider, image), ['seed-0: warm', 'seed-1: warm', 'seed-2: warm']);
    });

    test('a seed that is down is unreachable, and the others are still warm', async () => {
      const provider = make(world());
      const image = await world().pushImage(LAYERS);
      await warm(provider, image);
      await world().seeds[0]?.kill();
      try {
        assert.deepEqual(await verified(provider, image), ['seed-0: SeedUnreachable', 'seed-1: warm', 'seed-2: warm']);
      } finally {
        await world().seeds[0]?.restart();
      }
    });

    for (const status of [401, 404]) {
      test(`an origin that answers ${status} ends the warm with an error, and verification says who refused`, async () => {
        const { origin } = world();
        const provider = make(world());
        const image = await world().pushImage([2.5 * PIECE]);
        origin.refuseWith(status);
        try {
          await assert.rejects(warm(provider, image), ProviderError);
          assert.deepEqual(await verified(provider, image), [
            'seed-0: OriginRejected',
            'seed-1: OriginRejected',
            'seed-2: OriginRejected',
          ]);
        } finally {
          origin.refuseWith(undefined);
        }
        await warm(provider, image);
        assert.deepEqual(await verified(provider, image), ['seed-0: warm', 'seed-1: warm', 'seed-2: warm']);
      });
    }

    test('the token reaches the origin, and no other credentials do', async () => {
      const { origin } = world();
      const image = await world().pushImage([2.5 * PIECE]);
      const authorization = `Bearer ${name.replaceAll(/\W/g, '-')}`;
      await warm(make(world()), { ...image, authorization });
      assert.ok(origin.authorizations.has(authorization));
      assert.deepEqual(
        [...origin.authorizations].filter((value) => !value.startsWith('Bearer ')),
        [],
      );
    });

    test('a warm that is aborted ends at once, with the reason', async () => {
      const { origin } = world();
      const image = await world().pushImage([2.5 * PIECE]);
      const release = origin.hold();
      try {
        const abort = new AbortController();
        const warmed = make(world()).warm(image, { timeoutMs: 120_000, signal: abort.signal });
        abort.abort(new Error('shutting down'));
        await assert.rejects(warmed, /shutting down/);
      } finally {
        release();
      }
    });

    test('the provider can be used', async () => {
      await make(world()).check({ signal });
    });
  });
}

function inShort({ seed, warm, reason }: BlobState): string {
  return `${seed}: ${warm ? 'warm' : reason}`;
}
