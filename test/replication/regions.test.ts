import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import type { Progress } from '../../src/converter/progress.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { replicate, type ReplicateDependencies } from '../../src/replication/replicate.ts';
import type { ReplicateResult, ReplicateSuccess } from '../../src/replication/result.ts';
import { startDistribution, type Distribution } from '../support/distribution.ts';
import { buildImage, layerOf, noise, pushImage } from '../support/image-builder.ts';
import { startRegistryProxy, type RegistryProxy, type RegistryProxyOptions } from '../support/registry-proxy.ts';

const MIB = 1024 * 1024;
const BIG = 24 * MIB;
const SLOW = 4 * MIB;

/** A real registry of a region, behind a proxy through which everything goes. */
interface Region extends AsyncDisposable {
  proxy: RegistryProxy;
  die(): Promise<void>;
  comeBack(): Promise<void>;
}

let folder: string;
let primary: Distribution;
let digest: string;
/** Bytes of all blobs of the artifact. */
let size: number;
/** Digest of the blob that takes longest. */
let biggest: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'regions-test-'));
  await mkdir(join(folder, 'primary'));
  primary = await startDistribution(join(folder, 'primary'));
  const shared = [noise(BIG, 'big'), noise(3 * MIB, 'middle'), noise(MIB, 'small')].map((bytes) =>
    layerOf(bytes, 'none'),
  );
  const images = ['amd64', 'arm64'].map((architecture) =>
    buildImage(shared, { platform: { os: 'linux', architecture } }),
  );
  digest = await pushImage(new URL(primary.url).host, 'web', '1-nydus', images);
  const blobs = new Map(images.flatMap((image) => image.blobs.map((blob) => [blob.digest, blob.body.length])));
  size = [...blobs.values()].reduce((sum, bytes) => sum + bytes, 0);
  biggest = [...blobs].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? '';
});
after(async () => {
  await primary?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function startRegion(name: string, options: RegistryProxyOptions = {}): Promise<Region> {
  const directory = join(folder, name);
  await mkdir(directory);
  let registry = await startDistribution(directory);
  const { url } = registry;
  const proxy = await startRegistryProxy(url, options);
  return {
    proxy,
    die: () => Promise.resolve(registry[Symbol.asyncDispose]()),
    async comeBack() {
      registry = await startDistribution(directory, Number(new URL(url).port));
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

async function copyTo({ proxy }: Region, options: Partial<ReplicateDependencies> = {}): Promise<ReplicateResult> {
  const near = new URL(primary.url).host;
  const registries = { [near]: { plainHTTP: true }, [proxy.host]: { plainHTTP: true } };
  // One of its own, as the worker of each region is a process of its own.
  const registry = new RegistryClient({ registries, userAgent: 'slipstream-test', retryDelay: options.retryDelay });
  try {
    return await replicate(
      {
        images: [{ role: 'artifact', from: `${near}/web@${digest}`, to: `${proxy.host}/copies/web:1-nydus` }],
        registries,
      },
      { registry, credentials: {}, log: pino({ level: 'silent' }), onProgress: () => undefined, ...options },
      new AbortController().signal,
    );
  } finally {
    await registry.close();
  }
}

function succeeded(result: ReplicateResult): ReplicateSuccess {
  assert.ok(result.ok, JSON.stringify(result));
  return result;
}

/** Reads everything back, byte by byte, and checks that it has the digests of the original. */
async function assertIdentical({ proxy }: Region): Promise<void> {
  const client = new RegistryClient({
    registries: { [proxy.host]: { plainHTTP: true } },
    userAgent: 'slipstream-test',
  });
  const repository = { registry: proxy.host, repository: 'copies/web' };
  const { descriptor, manifest } = await client.manifest({ ...repository, tag: '1-nydus' });
  assert.equal(descriptor.digest, digest);
  assert.ok('manifests' in manifest && manifest.manifests.length === 2);
  for (const child of manifest.manifests) {
    const { manifest: image } = await client.manifest({ ...repository, digest: child.digest });
    assert.ok('layers' in image);
    for (const blob of [image.config, ...image.layers]) {
      const chunks = (await (await client.blob(repository, blob)).toArray()) as Buffer[];
      assert.equal(
        chunks.reduce((sum, { length }) => sum + length, 0),
        blob.size,
      );
    }
  }
  await client.close();
}

/** Kills the registry of a region in the middle of the upload of its biggest blob, when it has kept another one. */
function dyingRegion(name: string): Promise<{ region: Region; died: Promise<string[]> }> {
  const { promise: died, resolve } = Promise.withResolvers<string[]>();
  let isDead = false;
  const ready = startRegion(name, {
    bytesPerSecond: 4 * SLOW,
    onUpload(proxy) {
      const kept = proxy.kept();
      if (!isDead && kept.length > 0 && !kept.includes(biggest)) {
        isDead = true;
        void ready.then((region) => region.die()).then(() => resolve(kept));
      }
    },
  });
  return ready.then((region) => ({ region, died }));
}

describe('an artifact is copied to three registries', () => {
  test('of which one is slow and one dies in the middle and comes back: the third waits for neither, and all have the same digests', async () => {
    const progress: Progress[] = [];
    await using healthy = await startRegion('healthy');
    await using slow = await startRegion('slow', { bytesPerSecond: SLOW });
    const { region, died } = await dyingRegion('dying');
    await using dying = region;
    const order: string[] = [];
    const copies = {
      dying: copyTo(dying).finally(() => order.push('dying')),
      slow: copyTo(slow, { onProgress: (each) => void progress.push(each) }).finally(() => order.push('slow')),
      healthy: copyTo(healthy).finally(() => order.push('healthy')),
    };
    const kept = await died;
    succeeded(await copies.healthy);
    assert.deepEqual(order, ['healthy']);
    await dying.comeBack();
    succeeded(await copies.dying);
    succeeded(await copies.slow);

    for (const each of [healthy, slow, dying]) {
      await assertIdentical(each);
    }
    assert.equal(healthy.proxy.blobBytes(), size, 'each blob was sent once, though both platforms have it');
    assert.deepEqual(
      dying.proxy.kept().filter((blob) => kept.includes(blob)),
      kept,
      'a blob that was kept before the end was sent again',
    );
    assert.ok(progress.length > 2 && progress.at(-1)?.percent === 100, 'a slow copy says how far it is');
  });

  test('and one that stays dead is given up; the next attempt sends what is missing alone, and the one after that nothing', async () => {
    const { region, died } = await dyingRegion('dead');
    await using dead = region;
    const first = await copyTo(dead, { retryDelay: 1 });
    assert.ok(!first.ok && first.reason === 'RegistryUnreachable' && !first.permanent, JSON.stringify(first));
    const kept = await died;
    await dead.comeBack();

    const passed = dead.proxy.requests.length;
    const second = succeeded(await copyTo(dead));
    await assertIdentical(dead);
    assert.equal(second.blobs.there, kept.length);
    const put = dead.proxy.requests.slice(passed).filter(({ method }) => method === 'PUT');
    assert.ok(kept.every((blob) => !put.some(({ path }) => decodeURIComponent(path).includes(blob))));

    const sent = dead.proxy.blobBytes();
    const third = succeeded(await copyTo(dead));
    assert.deepEqual([third.bytesSent, dead.proxy.blobBytes()], [0, sent]);
  });
});
