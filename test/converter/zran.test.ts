import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { RegistryClient } from '../../src/registry/client.ts';
import type { Index, Manifest } from '../../src/registry/schema.ts';
import {
  buildImage,
  buildTar,
  directory,
  file,
  layerOf,
  noise,
  pushImage,
  type Layer,
} from '../support/image-builder.ts';
import { startHarness, succeeded, type Harness } from './harness.ts';
import { differences, mountArtifact } from './mounted.ts';

const MIB = 1 << 20;
const request = { format: 'Zran' } as const;

let harness: Harness;
let layers: Layer[];

before(async () => {
  harness = await startHarness();
  const base = await buildTar([directory('./'), directory('lib/'), file('lib/library', noise(3 * MIB, 'library'))]);
  const top = await buildTar([directory('app/'), file('app/server', noise(2 * MIB, 'server'))]);
  layers = [layerOf(base), layerOf(top)];
});
after(() => harness[Symbol.asyncDispose]());

async function assertSame(repository: string, tag: string, expected: readonly Layer[], from = harness): Promise<void> {
  assert.deepEqual(await differences(from, repository, tag, expected), []);
}

test('takes a small part of the storage that the image takes, and its size says how much', async () => {
  await pushImage(harness.host, 'small', '1', [buildImage(layers)]);
  const result = succeeded(await harness.convert('small:1', 'small:1-nydus', { request }));
  const [platform] = result.platforms;
  const whole = layers.reduce((sum, { body }) => sum + body.length, 0);
  assert.ok((platform?.size ?? whole) < whole / 10, `${platform?.size} of ${whole}`);
  assert.ok(result.bytesPushed < whole / 10);
});

test('the chunk tables beside the tree are what nydusd would fetch for its cache', async () => {
  await pushImage(harness.host, 'tables', '1', [buildImage(layers)]);
  succeeded(await harness.convert('tables:1', 'tables:1-nydus', { request }));
  await using mount = await mountArtifact(harness, 'tables', '1-nydus');
  await readFile(join(mount.mountpoint, 'lib/library'));
  await readFile(join(mount.mountpoint, 'app/server'));
  const tables = (await readdir(mount.bootstrap)).filter((name) => name.endsWith('.blob.meta'));
  assert.equal(tables.length, layers.length);
  for (const table of tables) {
    assert.ok((await readFile(join(mount.bootstrap, table))).equals(await readFile(join(mount.cache, table))), table);
  }
});

test('the source is there for as long as the artifact is, when its own tag has gone and garbage is collected', async () => {
  await pushImage(harness.host, 'kept', '1', [buildImage(layers)]);
  succeeded(await harness.convert('kept:1', 'kept:1-nydus', { request }));
  await harness.untag('kept', '1');
  await harness.collectGarbage();
  await assertSame('kept', '1-nydus', layers);
});

describe('where the artifact goes elsewhere', () => {
  test('the layers go to another repository without being sent', async () => {
    await pushImage(harness.host, 'here', '1', [buildImage(layers)]);
    const result = succeeded(await harness.convert('here:1', 'there:1-nydus', { request }));
    assert.ok(result.bytesPushed < MIB);
    await assertSame('there', '1-nydus', layers);
  });

  test('the layers go to another registry, read once', async () => {
    await using other = await startHarness();
    await pushImage(harness.host, 'near', '1', [buildImage(layers)]);
    const registries = { [other.host]: { plainHTTP: true }, [harness.host]: { plainHTTP: true } };
    const registry = new RegistryClient({ registries, userAgent: 'slipstream/test' });
    try {
      const target = `${other.host}/far:1-nydus`;
      const options = { request: { ...request, registries, target }, dependencies: { registry } };
      const result = succeeded(await harness.convert('near:1', 'ignored:1', options));
      const [config] = buildImage(layers).blobs;
      assert.equal(
        result.bytesRead,
        layers.reduce((sum, { body }) => sum + body.length, config?.body.length ?? 0),
      );
    } finally {
      await registry.close();
    }
    await assertSame('far', '1-nydus', layers, other);
  });
});

test('is found again, and not if the source that it keeps has lost a layer', async () => {
  await pushImage(harness.host, 'again', '1', [buildImage(layers)]);
  const first = succeeded(await harness.convert('again:1', 'elsewhere:1-nydus', { request }));
  const second = succeeded(await harness.convert('again:1', 'elsewhere:1-nydus', { request }));
  assert.equal(second.digest, first.digest);
  assert.equal(second.bytesPushed, 0);
  const { layers: parts } = await harness.manifest<Manifest>('again', '1');
  await harness.loseBlob('elsewhere', parts[0]?.digest ?? '');
  const third = succeeded(await harness.convert('again:1', 'elsewhere:1-nydus', { request }));
  assert.equal(third.digest, first.digest);
  await assertSame('elsewhere', '1-nydus', layers);
});

test('a version that differs in its top layer indexes that layer alone', async () => {
  await pushImage(harness.host, 'versions', '1', [buildImage(layers)]);
  succeeded(await harness.convert('versions:1', 'versions:nydus', { request }));
  const [base] = layers;
  const next = layerOf(await buildTar([directory('app/'), file('app/server', noise(MIB, 'next'))]));
  assert.ok(base !== undefined);
  await pushImage(harness.host, 'versions', '2', [buildImage([base, next])]);
  const result = succeeded(await harness.convert('versions:2', 'versions:nydus', { request }));
  assert.deepEqual(result.layers, { total: 2, reused: 1 });
  assert.equal(result.bytesRead, next.body.length);
  await assertSame('versions', 'nydus', [base, next]);
});

test('several platforms are kept side by side', async () => {
  const images = ['amd64', 'arm64'].map((architecture) =>
    buildImage(layers, { platform: { os: 'linux', architecture } }),
  );
  await pushImage(harness.host, 'platforms', '1', images);
  const platforms = ['linux/amd64', 'linux/arm64'];
  succeeded(await harness.convert('platforms:1', 'platforms:1-nydus', { request: { ...request, platforms } }));
  const { manifests } = await harness.manifest<Index>('platforms', '1-nydus');
  assert.deepEqual(
    manifests.map(({ platform }) => `${platform?.os}/${platform?.architecture}`),
    [...platforms, 'unknown/unknown', 'unknown/unknown'],
  );
  assert.deepEqual(
    manifests.slice(2).map(({ digest }) => digest),
    images.map(({ manifest }) => manifest.digest),
  );
});

describe('a layer that no index can be over is refused for good, with what to do', () => {
  async function refusal(repository: string, layer: Layer): Promise<string> {
    await pushImage(harness.host, repository, '1', [buildImage([layer])]);
    const result = await harness.convert(`${repository}:1`, `${repository}:1-nydus`, { request });
    assert.ok(!result.ok && result.permanent);
    const answer = await fetch(`http://${harness.host}/v2/${repository}/tags/list`);
    assert.deepEqual(((await answer.json()) as { tags: string[] }).tags, ['1']);
    return result.message;
  }

  test('when it is compressed with zstd', async () => {
    const [base] = layers;
    assert.ok(base !== undefined);
    const message = await refusal('modern', layerOf(base.tar, 'zstd'));
    assert.match(
      message,
      /layer sha256:.*: it is compressed with zstd, and Zran can only index gzip. Convert the image to RafsV6/,
    );
  });

  test('when it has several gzip members, as eStargz writes them', async () => {
    const [base] = layers;
    assert.ok(base !== undefined);
    const half = Math.floor(base.tar.length / 2);
    const body = Buffer.concat([gzipSync(base.tar.subarray(0, half)), gzipSync(base.tar.subarray(half))]);
    const message = await refusal('members', { ...base, body });
    assert.match(message, /layer sha256:.*: it has more than one gzip member, .* Convert the image to RafsV6/);
  });
});
