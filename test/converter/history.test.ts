import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ownTag } from '../../src/converter/owntag.ts';
import type { Manifest } from '../../src/registry/schema.ts';
import { buildImage, buildTar, file, layerOf, OCI, pushImage } from '../support/image-builder.ts';
import { startHarness, succeeded, type Harness } from './harness.ts';

let harness: Harness;
before(async () => {
  harness = await startHarness();
});
after(() => harness[Symbol.asyncDispose]());

const tag = '1-nydus';
const own = (digest: string): string => ownTag(tag, digest);

/** Converts the image of this content, and gives the artifact's digest and the tags that were made. */
async function convert(repository: string, content: string) {
  const layer = layerOf(await buildTar([file('version', content)]), 'gzip');
  await pushImage(harness.host, repository, '1', [buildImage([layer])]);
  return succeeded(await harness.convert(`${repository}:1`, `${repository}:${tag}`));
}

/** Whether everything of an artifact is in the registry. */
async function isWhole(repository: string, digest: string): Promise<boolean> {
  const get = (path: string) =>
    fetch(`http://${harness.host}/v2/${repository}/${path}`, { method: 'HEAD', headers: { accept: OCI.manifest } });
  if (!(await get(`manifests/${digest}`)).ok) {
    return false;
  }
  const { config, layers } = await harness.manifest<Manifest>(repository, digest);
  const blobs = await Promise.all([config, ...layers].map((blob) => get(`blobs/${blob.digest}`)));
  return blobs.every(({ ok }) => ok);
}

describe('in a registry that collects what no tag names', () => {
  test('an older artifact stays for the Pods that run it, and goes once its own tag is taken away', async () => {
    const one = await convert('kept', 'one');
    const two = await convert('kept', 'two');
    assert.deepEqual([one.made, two.made], [[own(one.digest), tag], [own(two.digest)]]);
    await harness.collectGarbage();
    assert.deepEqual([await isWhole('kept', one.digest), await isWhole('kept', two.digest)], [true, true]);

    await harness.untag('kept', own(one.digest));
    await harness.collectGarbage();
    assert.deepEqual([await isWhole('kept', one.digest), await isWhole('kept', two.digest)], [false, true]);
  });

  test('an artifact whose tags were deleted and that was collected comes back under the digest that Pods name', async () => {
    const { digest } = await convert('back', 'one');
    await harness.untag('back', tag);
    await harness.untag('back', own(digest));
    await harness.collectGarbage();
    assert.equal(await isWhole('back', digest), false);
    const again = await convert('back', 'one');
    assert.deepEqual([again.digest, again.made], [digest, [own(digest), tag]]);
    assert.ok(await isWhole('back', digest));
  });

  test('an artifact that is there already gets a tag of its own if it has none, and the other tag is not made again', async () => {
    const { digest } = await convert('there', 'one');
    await harness.untag('there', own(digest));
    const again = await convert('there', 'one');
    assert.deepEqual([again.digest, again.made], [digest, [own(digest)]]);
    assert.deepEqual((await convert('there', 'one')).made, []);
  });
});
