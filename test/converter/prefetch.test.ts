import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PREFETCH_RANGES_ANNOTATION } from '../../src/api/v1alpha1/labels.ts';
import { parseRanges } from '../../src/rafs/ranges.ts';
import type { Manifest } from '../../src/registry/schema.ts';
import { buildImage, buildTar, directory, file, layerOf, noise, pushImage } from '../support/image-builder.ts';
import { startHarness, succeeded, type Harness } from './harness.ts';

const MIB = 1 << 20;

let harness: Harness;
before(async () => {
  harness = await startHarness();
  const lower = [
    directory('lib'),
    file('lib/cold-1', noise(8 * MIB, 'cold 1')),
    file('lib/hot', noise(2 * MIB, 'hot')),
    file('lib/cold-2', noise(8 * MIB, 'cold 2')),
  ];
  const upper = [
    directory('app'),
    directory('app/hot'),
    file('app/cold', noise(6 * MIB, 'cold 3')),
    file('app/hot/one', noise(MIB, 'one')),
    file('app/hot/two', noise(MIB, 'two')),
  ];
  const layers = [lower, upper, [file('none', noise(2 * MIB, 'none'))]];
  const built = await Promise.all(layers.map(async (entries) => layerOf(await buildTar(entries))));
  await pushImage(harness.host, 'app', '1', [buildImage(built)]);
});
after(() => harness[Symbol.asyncDispose]());

for (const format of ['RafsV6', 'RafsV5'] as const) {
  test(`an artifact in ${format} says which bytes of its blobs hold the files to prefetch`, async () => {
    const prefetchPaths = ['/lib/hot', '/app/hot'];
    const request = { format, compressor: 'none' as const, prefetchPaths, optionsHash: format };
    succeeded(await harness.convert('app:1', `${format.toLowerCase()}:1`, { request }));
    const { layers } = await harness.manifest<Manifest>(format.toLowerCase(), '1');
    const parts = await Promise.all(
      layers.map(async ({ digest, annotations }) => {
        const blob = await harness.storedBlob(digest);
        const ranges = parseRanges(annotations?.[PREFETCH_RANGES_ANNOTATION] ?? '') ?? [];
        return Buffer.concat(ranges.map(({ offset, length }) => blob.subarray(offset, offset + length)));
      }),
    );
    const [lower = Buffer.alloc(0), upper = Buffer.alloc(0)] = parts;
    assert.ok(lower.includes(noise(2 * MIB, 'hot')));
    assert.ok(upper.includes(noise(MIB, 'one')) && upper.includes(noise(MIB, 'two')));
    // Each range may reach a mebibyte further in both directions.
    assert.deepEqual(
      parts.map(({ length }) => Math.ceil(length / MIB) <= 4 && length > 0),
      [true, true, false, false],
    );
  });
}

test('an artifact without a list names no ranges', async () => {
  succeeded(await harness.convert('app:1', 'unlisted:1'));
  const { layers } = await harness.manifest<Manifest>('unlisted', '1');
  assert.ok(layers.every(({ annotations }) => annotations?.[PREFETCH_RANGES_ANNOTATION] === undefined));
});
