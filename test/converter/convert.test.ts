import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { Progress } from '../../src/converter/progress.ts';
import type { Index, Manifest } from '../../src/registry/schema.ts';
import {
  buildImage,
  buildTar,
  directory,
  file,
  layerOf,
  noise,
  pushImage,
  type BuiltImage,
  type Layer,
} from '../support/image-builder.ts';
import { leftovers, startHarness, succeeded, type Harness } from './harness.ts';
import { richLayers, smallImage } from './images.ts';

const BLOB = 'application/vnd.oci.image.layer.nydus.blob.v1';

let harness: Harness;
let host: string;
let rich: BuiltImage;
let layers: Layer[];

before(async () => {
  harness = await startHarness();
  ({ host } = harness);
  layers = await richLayers();
  rich = buildImage(layers);
});
after(() => harness[Symbol.asyncDispose]());

const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

describe('the artifact of an image', () => {
  let manifest: Manifest;
  before(async () => {
    await pushImage(host, 'shape', '1', [rich]);
    succeeded(await harness.convert('shape:1', 'shape:1-nydus'));
    manifest = await harness.manifest('shape', '1-nydus');
  });

  test('has one blob for each layer, in order and with where it came from, and the bootstrap last', () => {
    const expected = rich.blobs.slice(1).map(({ digest }) => [BLOB, digest]);
    assert.deepEqual(
      manifest.layers.map(({ mediaType, annotations }) => [mediaType, annotations?.['slipstream.dev/source-layer']]),
      [...expected, ['application/vnd.oci.image.layer.v1.tar+gzip', undefined]],
    );
    assert.equal(manifest.layers[4]?.digest, manifest.layers[6]?.digest, 'the same layer is the same blob');
  });

  test('has blobs whose digests and sizes are those of their bytes', async () => {
    for (const { digest, size } of [manifest.config, ...manifest.layers]) {
      const bytes = await harness.storedBlob(digest);
      assert.deepEqual([sha256(bytes), bytes.length], [digest, size]);
    }
  });

  test('has a config that runs as the source does, with a diff ID for each layer', async () => {
    const source = JSON.parse(rich.blobs[0]?.body.toString() ?? '') as Record<string, unknown>;
    const config = JSON.parse((await harness.storedBlob(manifest.config.digest)).toString()) as typeof source;
    assert.deepEqual(config.config, source.config);
    const bootstrap = await harness.storedBlob(manifest.layers.at(-1)?.digest ?? '');
    assert.deepEqual(config.rootfs, {
      type: 'layers',
      diff_ids: [...manifest.layers.slice(0, -1).map(({ digest }) => digest), sha256(gunzipSync(bootstrap))],
    });
  });

  test('names the manifest of the source as its subject', () => {
    const { digest, mediaType, body } = rich.manifest;
    assert.deepEqual(manifest.subject, { mediaType, digest, size: body.length });
    assert.equal(manifest.annotations?.['containerd.io/snapshot/nydus-source-digest'], digest);
  });
});

test('paths to prefetch are in the tree of the image alone, so that its layers are taken over', async () => {
  await pushImage(host, 'prefetch', '1', [rich]);
  succeeded(await harness.convert('prefetch:1', 'prefetch:without'));
  const reuse = [`${host}/prefetch:without`];
  const request = { prefetchPaths: ['/usr/bin/tool'], optionsHash: 'prefetch', reuse };
  const result = succeeded(await harness.convert('prefetch:1', 'prefetch:with', { request }));
  assert.equal(result.bytesRead, 0);
  const [without, some] = await Promise.all(
    ['without', 'with'].map(async (tag) => (await harness.manifest<Manifest>('prefetch', tag)).layers),
  );
  const digests = (layers: Manifest['layers'] | undefined): string[] | undefined =>
    layers?.slice(0, -1).map((layer) => layer.digest);
  assert.deepEqual(digests(some), digests(without));
  assert.notEqual(some?.at(-1)?.digest, without?.at(-1)?.digest);
});

describe('the result of a conversion', () => {
  test('says what was made, of what, and what it took', async () => {
    const image = buildImage([layerOf(await buildTar([file('big', noise(2 << 20, 'result'))]), 'none')]);
    const digest = await pushImage(host, 'result', '1', [image]);
    const result = succeeded(await harness.convert('result:1', 'result:1-nydus'));
    const manifest = await harness.manifest<Manifest>('result', '1-nydus');
    const size = [manifest.config, ...manifest.layers].reduce((sum, blob) => sum + blob.size, 0);
    const [platform] = result.platforms;
    assert.equal(result.image, `${host}/result:1-nydus@${result.digest}`);
    assert.deepEqual(result.sourceDigest, digest);
    assert.deepEqual(platform, {
      platform: 'linux/amd64',
      digest: result.digest,
      sourceDigest: digest,
      size,
      bootstrapSize: manifest.layers.at(-1)?.size,
    });
    assert.equal(result.bytesRead, image.blobs[1]?.body.length);
    assert.ok(result.bytesPushed > size && result.bytesPushed < size + 10_000, 'blobs and a manifest');
    assert.deepEqual(result.layers, { total: 1, reused: 0 });
    assert.match(result.builder, /\S/);
    assert.ok(result.timings.total > 0 && result.timings.build > 0);
  });

  test('leaves nothing in the work folder', async () => {
    await pushImage(host, 'tidy', '1', [await smallImage('tidy')]);
    succeeded(await harness.convert('tidy:1', 'tidy:1-nydus'));
    assert.deepEqual(await leftovers(harness), []);
  });

  test('comes with progress that ends at a hundred percent', async () => {
    await pushImage(host, 'progress', '1', [rich]);
    const reports: Progress[] = [];
    succeeded(await harness.convert('progress:1', 'progress:1-nydus', { onProgress: (p) => reports.push(p) }));
    const distinct = new Map(rich.blobs.slice(1).map(({ digest, body }) => [digest, body.length]));
    const bytesTotal = [...distinct.values()].reduce((a, b) => a + b, 0);
    const done = { bytesDone: bytesTotal, bytesTotal, percent: 100, layersDone: 6, layersTotal: 6 };
    assert.deepEqual(reports.at(-1), done);
    assert.deepEqual(
      reports.map(({ bytesDone }) => bytesDone),
      reports.map(({ bytesDone }) => bytesDone).toSorted((a, b) => a - b),
    );
  });
});

describe('the same input makes the same artifact', () => {
  for (const format of ['RafsV6', 'RafsV5'] as const) {
    test(`byte by byte, as ${format}`, async () => {
      const repositories = [`same-a-${format.toLowerCase()}`, `same-b-${format.toLowerCase()}`];
      const digests: string[] = [];
      for (const repository of repositories) {
        await pushImage(host, 'same', '1', [rich]);
        digests.push(succeeded(await harness.convert('same:1', `${repository}:1`, { request: { format } })).digest);
      }
      assert.equal(digests[0], digests[1]);
    });
  }
});

describe('an image of', () => {
  test("Docker's own media types becomes an OCI artifact", async () => {
    const image = buildImage(layers.slice(0, 2), { style: 'docker' });
    await pushImage(host, 'docker', '1', [image]);
    succeeded(await harness.convert('docker:1', 'docker:1-nydus'));
    const manifest = await harness.manifest<Manifest>('docker', '1-nydus');
    assert.equal(manifest.mediaType, 'application/vnd.oci.image.manifest.v1+json');
    assert.equal(manifest.config.mediaType, 'application/vnd.oci.image.config.v1+json');
    assert.equal(manifest.subject?.mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
  });

  test('nothing but empty layers is converted', async () => {
    const empty = layerOf(await buildTar([]));
    const nothing = layerOf(Buffer.alloc(0));
    await pushImage(host, 'empty', '1', [buildImage([empty, nothing, empty])]);
    succeeded(await harness.convert('empty:1', 'empty:1-nydus'));
    const manifest = await harness.manifest<Manifest>('empty', '1-nydus');
    assert.equal(manifest.layers.length, 4);
  });

  test('an index is converted for the one platform that is wanted, to a plain manifest', async () => {
    const amd64 = await smallImage('amd64');
    const arm64 = await smallImage('arm64', { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } });
    const digest = await pushImage(host, 'one-of-many', '1', [amd64, arm64]);
    const request = { platforms: ['linux/arm64'] };
    const result = succeeded(await harness.convert('one-of-many:1', 'one-of-many:1-nydus', { request }));
    assert.equal(result.sourceDigest, digest);
    assert.equal(result.platforms[0]?.sourceDigest, arm64.manifest.digest);
    const manifest = await harness.manifest<Manifest>('one-of-many', '1-nydus');
    assert.equal(manifest.subject?.digest, arm64.manifest.digest);
  });

  test('several platforms becomes an index, and the layers that they share are converted once', async () => {
    const shared = layerOf(await buildTar([file('shared', noise(1 << 20, 'shared'))]));
    const own = async (name: string): Promise<Layer> => layerOf(await buildTar([file('own', name)]));
    const amd64 = buildImage([shared, await own('amd64')]);
    const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' };
    const arm64 = buildImage([shared, await own('arm64')], { platform });
    const digest = await pushImage(host, 'many', '1', [amd64, arm64], 'docker');
    const request = { platforms: ['linux/arm64', 'linux/amd64'] };
    const result = succeeded(await harness.convert('many:1', 'many:1-nydus', { request }));
    const index = await harness.manifest<Index>('many', '1-nydus');
    assert.deepEqual(
      index.manifests.map(({ digest: child, artifactType, platform: of }) => ({ child, artifactType, of })),
      [
        { name: 'linux/arm64', of: platform },
        { name: 'linux/amd64', of: { os: 'linux', architecture: 'amd64' } },
      ].map(({ name, of }) => ({
        child: result.platforms.find((p) => p.platform === name)?.digest,
        artifactType: 'application/vnd.nydus.image.manifest.v1+json',
        of,
      })),
    );
    assert.equal(index.annotations?.['containerd.io/snapshot/nydus-source-digest'], digest);
    assert.deepEqual(result.layers, { total: 3, reused: 0 });
  });
});

describe('a conversion that was made before', () => {
  before(() => pushImage(host, 'again', '1', [rich]));

  test('is found and not made again', async () => {
    const first = succeeded(await harness.convert('again:1', 'again:1-nydus'));
    const second = succeeded(await harness.convert('again:1', 'again:1-nydus'));
    assert.deepEqual(second, {
      ...first,
      timings: { ...second.timings, pull: 0, build: 0, push: 0 },
      bytesRead: 0,
      bytesPushed: 0,
      layers: { total: 6, reused: 6 },
      chunks: { deduplicated: 0, bytesDeduplicated: 0, bytesNew: 0 },
      made: [],
    });
  });

  test('is found for several platforms', async () => {
    const platform = { os: 'linux', architecture: 'arm64' };
    await pushImage(host, 'again-many', '1', [await smallImage('a'), await smallImage('b', { platform })]);
    const request = { platforms: ['linux/amd64', 'linux/arm64'] };
    const first = succeeded(await harness.convert('again-many:1', 'again-many:1-nydus', { request }));
    const second = succeeded(await harness.convert('again-many:1', 'again-many:1-nydus', { request }));
    assert.equal(second.bytesPushed, 0);
    assert.deepEqual(second.platforms, first.platforms);
  });

  test('is made again with other options', async () => {
    succeeded(await harness.convert('again:1', 'again:other-nydus'));
    const request = { optionsHash: 'other', compressor: 'none' } as const;
    const second = succeeded(await harness.convert('again:1', 'again:other-nydus', { request }));
    assert.deepEqual(second.layers, { total: 6, reused: 0 });
  });

  test('is made again where a blob of it has gone, and only that blob', async () => {
    await pushImage(host, 'gone', '1', [rich]);
    const first = succeeded(await harness.convert('gone:1', 'gone:1-nydus'));
    const {
      layers: [blob],
    } = await harness.manifest<Manifest>('gone', '1-nydus');
    await harness.loseBlob('gone', blob?.digest ?? '');
    const url = `http://${host}/v2/gone/blobs/${blob?.digest}`;
    assert.equal((await fetch(url, { method: 'HEAD' })).status, 404);
    const second = succeeded(await harness.convert('gone:1', 'gone:1-nydus'));
    assert.equal(second.digest, first.digest);
    assert.deepEqual(second.layers, { total: 6, reused: 5 });
    assert.equal((await fetch(url, { method: 'HEAD' })).status, 200);
  });
});

describe('the next version of an image', () => {
  test('takes over the layers that did not change from what the tag names now', async () => {
    const [first, ...others] = layers;
    assert.ok(first !== undefined);
    await pushImage(host, 'next', '1', [buildImage([first])]);
    succeeded(await harness.convert('next:1', 'next:nydus'));
    await pushImage(host, 'next', '2', [rich]);
    const result = succeeded(await harness.convert('next:2', 'next:nydus'));
    assert.deepEqual(result.layers, { total: 6, reused: 1 });
    assert.equal(
      result.bytesRead,
      [...new Set(others)].reduce((sum, { body }) => sum + body.length, 0),
    );
  });

  test('takes them over from an artifact in another repository, and is the same as if it were made anew', async () => {
    await pushImage(host, 'elsewhere', '1', [buildImage(layers.slice(0, 2))]);
    succeeded(await harness.convert('elsewhere:1', 'elsewhere:1-nydus'));
    await pushImage(host, 'reusing', '2', [rich]);
    const request = { reuse: [`${host}/elsewhere:1-nydus`, `${host}/not-there:1`] };
    const reusing = succeeded(await harness.convert('reusing:2', 'reusing:2-nydus', { request }));
    assert.deepEqual(reusing.layers, { total: 6, reused: 2 });
    const anew = succeeded(await harness.convert('reusing:2', 'anew:2-nydus'));
    assert.equal(reusing.digest, anew.digest);
  });

  test('converts layers anew where it depends on them what becomes of a folder without an entry', async () => {
    const base = layerOf(await buildTar([directory('tmp/', { mode: 0o1777 }), file('kept', 'kept')]));
    const above = layerOf(await buildTar([file('tmp/file', 'in a folder of the base')]));
    await pushImage(host, 'parentless', '1', [buildImage([base])]);
    succeeded(await harness.convert('parentless:1', 'parentless:nydus'));
    await pushImage(host, 'parentless', '2', [buildImage([base, above])]);
    const reusing = succeeded(await harness.convert('parentless:2', 'parentless:nydus'));
    assert.deepEqual(reusing.layers, { total: 2, reused: 0 });
    const last = layerOf(await buildTar([file('last', 'of three')]));
    await pushImage(host, 'parentless', '3', [buildImage([base, above, last])]);
    const again = succeeded(await harness.convert('parentless:3', 'parentless:nydus'));
    const anew = succeeded(await harness.convert('parentless:3', 'parentless-anew:3'));
    assert.equal(again.digest, anew.digest);
  });

  test('converts a layer whose blob the earlier artifact has lost', async () => {
    await pushImage(host, 'lost', '1', [buildImage(layers.slice(0, 1))]);
    succeeded(await harness.convert('lost:1', 'lost:nydus'));
    const {
      layers: [blob],
    } = await harness.manifest<Manifest>('lost', 'nydus');
    await harness.loseBlob('lost', blob?.digest ?? '');
    await pushImage(host, 'lost', '2', [buildImage(layers.slice(0, 2))]);
    const result = succeeded(await harness.convert('lost:2', 'lost:nydus'));
    assert.deepEqual(result.layers, { total: 2, reused: 0 });
  });
});
