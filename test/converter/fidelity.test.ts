import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildImage, pushImage } from '../support/image-builder.ts';
import { extractLayers } from '../support/rootfs.ts';
import { compareTrees } from '../support/tree-compare.ts';
import { ATTRIBUTES, BUILDERS, CHANGES, COMPRESSION, CONTENT, LINKS, NAMES } from './features.ts';
import { startHarness, succeeded, type Harness } from './harness.ts';
import { mountArtifact } from './mounted.ts';

let harness: Harness;
before(async () => {
  harness = await startHarness();
});
after(() => harness[Symbol.asyncDispose]());

/** RAFS v5 has trees of its own, and the same content. */
const FEATURES = {
  RafsV6: [...COMPRESSION, ...BUILDERS, ...CHANGES, ...LINKS, ...NAMES, ...ATTRIBUTES, ...CONTENT],
  RafsV5: [...CHANGES, ...LINKS, ...NAMES, ...ATTRIBUTES],
};
let images = 0;

for (const format of ['RafsV6', 'RafsV5'] as const) {
  describe(`a container of an artifact in ${format} sees`, () => {
    for (const { name, layers: make, means } of FEATURES[format]) {
      test(name, async () => {
        const folder = await mkdtemp(join(tmpdir(), 'fidelity-'));
        try {
          const layers = await make();
          await extractLayers((await means?.()) ?? layers.map(({ tar }) => tar), folder);
          images += 1;
          const repository = `feature-${images}`;
          await pushImage(harness.host, repository, '1', [buildImage(layers)]);
          succeeded(await harness.convert(`${repository}:1`, `${repository}:1-nydus`, { request: { format } }));
          await using mount = await mountArtifact(harness, repository, '1-nydus');
          assert.deepEqual(await compareTrees(folder, mount.mountpoint), []);
        } finally {
          await rm(folder, { recursive: true });
        }
      });
    }
  });
}
