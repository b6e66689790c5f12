import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RegistryClient } from '../../src/registry/client.ts';
import { digestOf } from '../../src/registry/digest.ts';
import type { Descriptor, Manifest } from '../../src/registry/schema.ts';
import {
  buildImage,
  buildTar,
  directory,
  file,
  layerOf,
  noise,
  pushBlobs,
  pushImage,
  pushManifest,
  stored,
  type Layer,
} from '../support/image-builder.ts';
import { startHarness, succeeded, type Harness } from './harness.ts';
import { differences } from './mounted.ts';

const MIB = 1 << 20;

let harness: Harness;
let folder: string;

before(async () => {
  harness = await startHarness();
  folder = await mkdtemp(join(tmpdir(), 'dictionary-test-'));
});
after(async () => {
  await harness[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const library = noise(6 * MIB, 'library');
const base = layer([directory('lib/'), file('lib/library', library), file('lib/other', noise(MIB, 'other'))]);

/** A layer that holds the library again, elsewhere, beside something new. */
function application(version: string): Promise<Layer> {
  return layer([
    directory('app/'),
    file('app/library', library),
    file('app/server', noise(2 * MIB, `server ${version}`), { mode: 0o755 }),
  ]);
}

async function layer(entries: Parameters<typeof buildTar>[0]): Promise<Layer> {
  return layerOf(await buildTar([directory('./'), ...entries]));
}

async function push(repository: string, tag: string, layers: Layer[]): Promise<void> {
  await pushImage(harness.host, repository, tag, [buildImage(layers)]);
}

/** Mounts an artifact with nydusd and compares it with the layers, unpacked one over the other. */
async function assertSame(repository: string, tag: string, layers: readonly Layer[]): Promise<void> {
  assert.deepEqual(await differences(harness, repository, tag, layers), []);
}

describe('with another image as chunk dictionary', () => {
  for (const request of [
    { format: 'RafsV6', compressor: 'zstd' },
    { format: 'RafsV6', compressor: 'lz4_block' },
    { format: 'RafsV5', compressor: 'zstd' },
  ] as const) {
    test(`only new chunks are pushed, as ${request.format} with ${request.compressor}`, async () => {
      const name = `${request.format}-${request.compressor}`.toLowerCase().replace('_', '-');
      await push(`base-${name}`, '1', [await base]);
      await push(`app-${name}`, '1', [await application('1')]);
      succeeded(await harness.convert(`base-${name}:1`, `base-${name}:1-nydus`, { request }));
      const plain = succeeded(await harness.convert(`app-${name}:1`, `app-${name}:1-plain`, { request }));
      const image = `${harness.host}/base-${name}:1-nydus`;
      const result = succeeded(
        await harness.convert(`app-${name}:1`, `app-${name}:1-nydus`, {
          request: { ...request, chunkDictionary: { image }, optionsHash: 'with dictionary' },
        }),
      );

      assert.deepEqual(result.chunks, { deduplicated: 6, bytesDeduplicated: 6 * MIB, bytesNew: 2 * MIB });
      assert.ok(plain.bytesPushed - result.bytesPushed > 5.9 * MIB, `${plain.bytesPushed} and ${result.bytesPushed}`);
      await assertSame(`app-${name}`, '1-nydus', [await application('1')]);
    });
  }

  test('its blobs are in the repository of the artifact, and its manifest lists those that it refers to', async () => {
    await push('listed-base', '1', [await base, await layer([file('unused', noise(MIB, 'unused'))])]);
    await push('listed', '1', [await application('1')]);
    const dictionary = succeeded(await harness.convert('listed-base:1', 'listed-base:1-nydus'));
    const [shared] = (await harness.manifest<Manifest>('listed-base', '1-nydus')).layers;
    const image = `${harness.host}/listed-base:1-nydus`;
    succeeded(await harness.convert('listed:1', 'listed:1-nydus', { request: { chunkDictionary: { image } } }));

    const { layers, annotations } = await harness.manifest<Manifest>('listed', '1-nydus');
    assert.equal(annotations?.['slipstream.dev/chunk-dictionary'], dictionary.digest);
    assert.deepEqual(
      layers.slice(1, -1).map(({ digest, size }) => ({ digest, size })),
      [{ digest: shared?.digest, size: shared?.size }],
    );
    const head = await fetch(`http://${harness.host}/v2/listed/blobs/${shared?.digest}`, { method: 'HEAD' });
    assert.equal(head.status, 200);
  });

  test('its blobs are sent where it is in another registry', async () => {
    await using other = await startHarness();
    await pushImage(other.host, 'far-base', '1', [buildImage([await base])]);
    succeeded(await other.convert('far-base:1', 'far-base:1-nydus'));
    await push('far', '1', [await application('1')]);
    const request = {
      chunkDictionary: { image: `${other.host}/far-base:1-nydus` },
      registries: { [other.host]: { plainHTTP: true }, [harness.host]: { plainHTTP: true } },
    };
    const client = new RegistryClient({ registries: request.registries, userAgent: 'slipstream/test' });
    try {
      succeeded(await harness.convert('far:1', 'far:1-nydus', { request, dependencies: { registry: client } }));
    } finally {
      await client.close();
    }
    await assertSame('far', '1-nydus', [await application('1')]);
  });

  test('it may be compressed otherwise', async () => {
    await push('otherwise-base', '1', [await base]);
    await push('otherwise', '1', [await application('1')]);
    succeeded(await harness.convert('otherwise-base:1', 'otherwise-base:1-nydus', { request: { compressor: 'zstd' } }));
    const chunkDictionary = { image: `${harness.host}/otherwise-base:1-nydus` };
    const request = { compressor: 'lz4_block', chunkDictionary } as const;
    succeeded(await harness.convert('otherwise:1', 'otherwise:1-nydus', { request }));
    await assertSame('otherwise', '1-nydus', [await application('1')]);
  });

  test('each platform is served by its own of the dictionary, and one that it lacks does without', async () => {
    const platforms = ['amd64', 'arm64', 's390x'].map((architecture) => ({ os: 'linux', architecture }));
    const baseOf = async (architecture: string): Promise<Layer> => layer([file('code', noise(MIB, architecture))]);
    const appOf = async (architecture: string): Promise<Layer> =>
      layer([file('moved', noise(MIB, architecture)), file('new', noise(MIB, `new ${architecture}`))]);
    const imagesOf = async (make: (architecture: string) => Promise<Layer>, from: typeof platforms) =>
      Promise.all(from.map(async (platform) => buildImage([await make(platform.architecture)], { platform })));
    await pushImage(harness.host, 'platforms-base', '1', await imagesOf(baseOf, platforms.slice(0, 2)));
    await pushImage(harness.host, 'platforms', '1', await imagesOf(appOf, platforms));
    const names = platforms.map(({ os, architecture }) => `${os}/${architecture}`);
    succeeded(
      await harness.convert('platforms-base:1', 'platforms-base:1-nydus', {
        request: { platforms: names.slice(0, 2) },
      }),
    );
    const request = { platforms: names, chunkDictionary: { image: `${harness.host}/platforms-base:1-nydus` } };
    const result = succeeded(await harness.convert('platforms:1', 'platforms:1-nydus', { request }));
    assert.deepEqual(result.chunks, { deduplicated: 2, bytesDeduplicated: 2 * MIB, bytesNew: 4 * MIB });
  });
});

describe('with the previous version as chunk dictionary', () => {
  const request = { chunkDictionary: { from: 'PreviousVersion' } } as const;

  test('each version pushes only the chunks that none of those before had', async () => {
    const moved = (version: string): Promise<Layer> =>
      layer([
        directory('moved/'),
        file('moved/library', library),
        ...Array.from({ length: Number(version) }, (_, i) => file(`moved/part-${i}`, noise(MIB, `part ${i}`))),
      ]);
    const repository = 'versions';
    const written: number[] = [];
    const reused: number[] = [];
    for (const version of ['1', '2', '3']) {
      const layers = [await base, await moved(version)];
      await push(repository, 'latest', layers);
      const result = succeeded(await harness.convert(`${repository}:latest`, `${repository}:nydus`, { request }));
      written.push(result.chunks.bytesNew / MIB);
      reused.push(result.layers.reused);
      await assertSame(repository, 'nydus', layers);
    }
    // The first has nothing to refer to: within one image each layer is converted for itself.
    assert.deepEqual(written, [7 + 6 + 1, 1, 1]);
    assert.deepEqual(reused, [0, 1, 1]);
  });

  test('the same conversion made again has the same digest', async () => {
    await push('again', '1', [await base]);
    await push('again', '2', [await application('2'), await application('3')]);
    succeeded(await harness.convert('again:1', 'again:1-nydus', { request }));
    const reuse = [`${harness.host}/again:1-nydus`];
    const once = succeeded(await harness.convert('again:2', 'again:2-nydus', { request: { ...request, reuse } }));
    const twice = succeeded(await harness.convert('again:2', 'again:2-more', { request: { ...request, reuse } }));
    assert.equal(twice.digest, once.digest);
  });

  test('one of another format is done without', async () => {
    await push('change', '1', [await application('1')]);
    succeeded(await harness.convert('change:1', 'change:nydus', { request: { format: 'RafsV5' } }));
    const result = succeeded(
      await harness.convert('change:1', 'change:nydus', { request: { ...request, optionsHash: 'v6' } }),
    );
    assert.equal(result.chunks.deduplicated, 0);
  });
});

test('layers that were made with another dictionary are converted again', async () => {
  await push('first-base', '1', [await base]);
  await push('second-base', '1', [await layer([file('server', noise(2 * MIB, 'server 1'))])]);
  await push('reused', '1', [await application('1')]);
  for (const dictionary of ['first-base', 'second-base']) {
    succeeded(await harness.convert(`${dictionary}:1`, `${dictionary}:1-nydus`));
    const chunkDictionary = { image: `${harness.host}/${dictionary}:1-nydus` };
    const request = { chunkDictionary, optionsHash: 'the same' };
    const result = succeeded(await harness.convert('reused:1', `reused:${dictionary}`, { request }));
    assert.equal(result.layers.reused, 0);
    await assertSame('reused', dictionary, [await application('1')]);
  }
});

describe('a dictionary that cannot serve fails the conversion for good, with what to do', () => {
  async function refusal(image: string): Promise<string> {
    const repository = `refused-${image.replace(/[:@].*/, '')}`;
    await push(repository, '1', [await application('1')]);
    const chunkDictionary = { image: `${harness.host}/${image}` };
    const result = await harness.convert(`${repository}:1`, `${repository}:1-nydus`, { request: { chunkDictionary } });
    assert.ok(!result.ok);
    assert.equal(result.reason, 'DictionaryUnusable');
    assert.equal(result.permanent, true);
    assert.match(result.message, /Name another one, or leave chunkDictionary out/);
    assert.ok(result.message.includes(image));
    assert.deepEqual(await tagsOf(repository), ['1']);
    return result.message;
  }

  async function tagsOf(repository: string): Promise<string[]> {
    const answer = await fetch(`http://${harness.host}/v2/${repository}/tags/list`);
    return ((await answer.json()) as { tags: string[] }).tags;
  }

  /** Pushes an artifact once more, with something about it changed. */
  async function pushChanged(repository: string, change: (manifest: Manifest) => Manifest): Promise<void> {
    await push(repository, '1', [await base]);
    succeeded(await harness.convert(`${repository}:1`, `${repository}:1-nydus`));
    const manifest = change(await harness.manifest<Manifest>(repository, '1-nydus'));
    await pushManifest(harness.host, repository, '1-nydus', stored(manifest.mediaType ?? '', manifest));
  }

  test('when there is none', async () => {
    assert.match(await refusal('nowhere:1'), /there is no such image/);
  });

  test('when it is an ordinary image', async () => {
    await push('ordinary', '1', [await base]);
    assert.match(await refusal('ordinary:1'), /it is no Nydus image/);
  });

  test('when it is of another RAFS version', async () => {
    await push('version5', '1', [await base]);
    succeeded(await harness.convert('version5:1', 'version5:1-nydus', { request: { format: 'RafsV5' } }));
    assert.match(await refusal('version5:1-nydus'), /RAFS version 5, and this conversion makes version 6/);
  });

  test('when it says another RAFS version than it is of', async () => {
    await push('liar', '1', [await base]);
    succeeded(await harness.convert('liar:1', 'liar:1-nydus', { request: { format: 'RafsV5' } }));
    const manifest = await harness.manifest<Manifest>('liar', '1-nydus');
    const layers = manifest.layers.map((each) => ({
      ...each,
      annotations: { ...each.annotations, 'containerd.io/snapshot/nydus-fs-version': '6' },
    }));
    await pushManifest(harness.host, 'liar', '1-nydus', stored(manifest.mediaType ?? '', { ...manifest, layers }));
    assert.match(await refusal('liar:1-nydus'), /its tree is not one of RAFS version 6/);
  });

  test('when another major version of nydus-image made it', async () => {
    const annotation = 'containerd.io/snapshot/nydus-builder-version';
    await pushChanged('major', (manifest) => ({
      ...manifest,
      annotations: { ...manifest.annotations, [annotation]: 'v3.0.1' },
    }));
    const nydusImage = await nydusImageOfVersion('v2.2.0');
    await push('refused-major', '1', [await application('1')]);
    const request = { chunkDictionary: { image: `${harness.host}/major:1-nydus` } };
    const result = await harness.convert('refused-major:1', 'refused-major:1-nydus', {
      request,
      dependencies: { nydusImage },
    });
    assert.ok(!result.ok);
    assert.equal(result.reason, 'DictionaryUnusable');
    assert.match(result.message, /nydus-image v3\.0\.1 made it, and v2\.2\.0 cannot read/);
  });

  test('when its tree is no tree', async () => {
    const garbage = layerOf(await buildTar([directory('image/'), file('image/image.boot', noise(8192, 'garbage'))]));
    const blob = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', body: garbage.body };
    const digest = digestOf(garbage.body);
    await pushBlobs(harness.host, 'garbage', [{ ...blob, digest }]);
    await pushChanged('garbage', (manifest) => ({
      ...manifest,
      layers: [...manifest.layers.slice(0, -1), { ...last(manifest), digest, size: garbage.body.length }],
    }));
    assert.match(await refusal('garbage:1-nydus'), /its tree is not one of RAFS version 6/);
  });

  function last({ layers }: Manifest): Descriptor {
    const layer = layers.at(-1);
    assert.ok(layer !== undefined);
    return layer;
  }

  /** A script that says that it is of a version. */
  async function nydusImageOfVersion(version: string): Promise<string> {
    const path = join(await mkdtemp(join(folder, 'builder-')), 'nydus-image');
    await writeFile(path, `#!/bin/sh\necho "Version: ${version}"\n`, { mode: 0o755 });
    return path;
  }
});
