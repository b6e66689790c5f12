import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildImage, layerOf, pushImage, type Layer } from '../support/image-builder.ts';
import { extractLayers } from '../support/rootfs.ts';
import { compareTrees } from '../support/tree-compare.ts';
import { startHarness, succeeded, type Harness } from './harness.ts';
import { manyAttributes, richLayers } from './images.ts';
import { mountArtifact } from './mounted.ts';

let harness: Harness;
let folder: string;
let rootfs: string;
let layers: Layer[];

before(async () => {
  harness = await startHarness();
  folder = await mkdtemp(join(tmpdir(), 'mount-test-'));
  layers = [...(await richLayers()), await manyAttributes()];
  rootfs = await mkdtemp(join(folder, 'rootfs-'));
  await extractLayers(
    layers.map(({ tar }) => tar),
    rootfs,
  );
});
after(async () => {
  await harness[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const variants = [
  { format: 'RafsV6', compressor: 'zstd' },
  { format: 'RafsV6', compressor: 'lz4_block' },
  { format: 'RafsV6', compressor: 'none' },
  { format: 'RafsV5', compressor: 'zstd' },
  // The compressor has nothing to do: the data stays as it is.
  { format: 'Zran', compressor: 'zstd' },
] as const;

describe('a container sees the very same files in the artifact as in the image', () => {
  for (const { format, compressor } of variants) {
    test(`as ${format} with ${compressor}`, async () => {
      const repository = `rich-${format.toLowerCase()}-${compressor.replace('_', '-')}`;
      // Zran indexes gzip.
      const stored = layers.map((each) =>
        format === 'Zran' && each.compression === 'zstd' ? layerOf(each.tar, 'gzip') : each,
      );
      await pushImage(harness.host, repository, '1', [buildImage(stored)]);
      const request = { format, compressor };
      succeeded(await harness.convert(`${repository}:1`, `${repository}:1-nydus`, { request }));

      await using mount = await mountArtifact(harness, repository, '1-nydus');
      assert.deepEqual(await compareTrees(rootfs, mount.mountpoint), []);
    });
  }
});

test('the chunk tables that lie beside the tree are what nydusd would fetch for its cache', async () => {
  const repository = 'tables';
  await pushImage(harness.host, repository, '1', [buildImage(layers)]);
  succeeded(await harness.convert(`${repository}:1`, `${repository}:1-nydus`));
  await using mount = await mountArtifact(harness, repository, '1-nydus');
  const { bootstrap } = mount;
  const tables = (await readdir(bootstrap)).filter((name) => name.endsWith('.blob.meta'));
  // Two layers have no chunk, and one is there twice.
  assert.equal(tables.length, layers.length - 3);

  await compareTrees(rootfs, mount.mountpoint);
  for (const table of tables) {
    assert.ok((await readFile(join(bootstrap, table))).equals(await readFile(join(mount.cache, table))), table);
  }
});
