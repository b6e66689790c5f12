import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Blob, Seed, WarmImage } from '../../src/dragonfly/provider.ts';
import { startCountingOrigin } from '../support/counting-origin.ts';
import type { CountingOrigin } from '../support/counting-origin.ts';
import { startSeedPeer } from '../support/dfdaemon.ts';
import type { SeedPeer, SeedPeerOptions } from '../support/dfdaemon.ts';
import { startScheduler } from '../support/dragonfly-scheduler.ts';
import { until } from '../support/until.ts';
import { digestOf, startDistribution } from '../support/distribution.ts';

/** The piece length of blobs up to 2 GB. */
export const PIECE = 4 * 1024 * 1024;

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const REPOSITORY = 'web/shop';

/** A real registry behind a counting proxy, and real seed peers. */
export interface World extends AsyncDisposable {
  origin: CountingOrigin;
  seeds: SeedPeer[];
  /** The seeds as a provider is told of them. */
  readonly addresses: () => Promise<Seed[]>;
  /** Pushes a new image of a config and layers of these sizes, all of random bytes. */
  pushImage(sizes: readonly number[]): Promise<WarmImage>;
  /** Pushes new images of these layers of their own, after layers that all of them have. */
  pushImagesSharing(shared: readonly number[], ...own: (readonly number[])[]): Promise<WarmImage[]>;
  /** Reads all of a blob through a seed's proxy, as a node would, and returns its digest. */
  pull(seed: SeedPeer, blob: Blob): Promise<string>;
}

/** Starts the registry and as many seed peers. */
export async function startWorld(seedCount: number, options: Partial<SeedPeerOptions> = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'df-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const registry = stack.use(await startDistribution(directory));
  const origin = stack.use(await startCountingOrigin(registry.url));
  const scheduler = stack.use(await startScheduler(join(directory, 'scheduler')));
  const seeds: SeedPeer[] = [];
  for (let i = 0; i < seedCount; i++) {
    const name = `seed-${i}`;
    await mkdir(join(directory, name));
    seeds.push(
      stack.use(
        await startSeedPeer({ ...options, name, directory: join(directory, name), scheduler: scheduler.address }),
      ),
    );
  }
  const moved = stack.move();

  async function pushBlob(size: number): Promise<Blob> {
    const digest = await registry.pushBlob(REPOSITORY, randomBytes(size));
    const url = `${origin.url}/v2/${REPOSITORY}/blobs/${digest}`;
    return { registry: new URL(origin.url).host, repository: REPOSITORY, digest, size, url };
  }

  async function pushLayers(layers: readonly Blob[]): Promise<WarmImage> {
    const config = await pushBlob(512);
    const descriptor = ({ digest, size }: Blob, mediaType: string): object => ({ mediaType, digest, size });
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
      layers: layers.map((layer) => descriptor(layer, 'application/vnd.oci.image.layer.nydus.blob.v1')),
    };
    const digest = await registry.pushManifest(REPOSITORY, manifest, OCI_MANIFEST);
    return {
      manifestUrl: `${origin.url}/v2/${REPOSITORY}/manifests/${digest}`,
      platform: 'linux/amd64',
      blobs: [config, ...layers],
    };
  }

  return {
    origin,
    seeds,
    addresses: () => Promise.resolve(seeds.map(({ name, url }) => ({ name, url }))),
    pushImage: async (sizes) => await pushLayers(await Promise.all(sizes.map(pushBlob))),
    async pushImagesSharing(shared, ...own) {
      const common = await Promise.all(shared.map(pushBlob));
      return await Promise.all(
        own.map(async (sizes) => await pushLayers([...common, ...(await Promise.all(sizes.map(pushBlob)))])),
      );
    },
    async pull(seed, blob) {
      const answer = await ask(seed, blob, {});
      return digestOf(Buffer.from(await answer.arrayBuffer()));
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** One request for a blob through a seed's proxy, as whoever pulls from a mirror sends it. */
export async function ask(seed: { url: string }, blob: Blob, headers: Record<string, string>): Promise<Response> {
  const { origin, pathname } = new URL(blob.url);
  return await fetch(new URL(pathname, seed.url), { headers: { 'x-dragonfly-registry': origin, ...headers } });
}

/** Reads the first bytes of a blob, again and again until the seed says that its task has finished downloading. */
export async function readUntilFinished(seed: { url: string }, blob: Blob): Promise<void> {
  // The mark is made just after the answer was sent.
  await until('the seed calls the task finished', async () => {
    const answer = await ask(seed, blob, { range: 'bytes=0-999', 'x-dragonfly-prefetch': 'false' });
    await answer.arrayBuffer();
    return answer.headers.get('x-dragonfly-task-download-finished') === 'true';
  });
}
