import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import { after, before, beforeEach, describe, test } from 'node:test';
import { toolPath } from '../../hack/tools/locate.ts';
import { execute } from '../../hack/tools/process.ts';
import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import type { Condition } from '../../src/api/v1alpha1/meta.ts';
import { acceleratedImages, jobs } from '../../src/kube/resources.ts';
import type { Manifest } from '../../src/registry/schema.ts';
import { decide } from '../../src/rewriting/decide.ts';
import { differences } from '../converter/mounted.ts';
import { nydusOutput, ociOutput } from '../support/buildkit.ts';
import { layerOf } from '../support/image-builder.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { capableNode, indexOf, webPod } from '../support/rewriting.ts';
import { until } from '../support/until.ts';
import { startBuildWorld, type BuildWorld } from './world.ts';

const namespace = 'team-a';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';

let world: BuildWorld;
let operator: RunningOperator;
let name: string;
let number = 0;

before(async () => {
  world = await startBuildWorld();
  operator = await startOperator({ registries: [{ host: world.host, plainHTTP: true }] });
});
after(async () => {
  await operator?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  name = `web-${(number += 1)}`;
});

/** Output of both halves of a double version, under a tag and the same with the suffix. */
function halves(tag: string): string[] {
  return [ociOutput(`${world.host}/${name}:${tag}`), nydusOutput(`${world.host}/${name}:${tag}-nydus`)];
}

async function adopt(tag = '1', spec: object = {}): Promise<void> {
  const source = { image: `${world.host}/${name}:${tag}`, interval: '10s' };
  await operator.client.create(acceleratedImages, {
    metadata: { namespace, name },
    spec: { source, conversion: { mode: 'Adopt' }, ...spec },
  });
}

async function current(): Promise<AcceleratedImage> {
  return await operator.client.get(acceleratedImages, { namespace, name });
}

/** Has the operator look again before the interval has passed. */
async function lookAgain(): Promise<void> {
  const { spec } = await current();
  const conversion = { backoffLimit: (spec.conversion.backoffLimit + 1) % 10 };
  const type = 'application/merge-patch+json';
  await operator.client.patch(acceleratedImages, { namespace, name }, { spec: { conversion } }, type);
}

/** Waits until the condition Ready says this of the newest spec, and gives its message. */
async function ready(expected: string): Promise<string> {
  let condition: Condition | undefined;
  await until(`${name} is ${expected}`, async () => {
    const { status, metadata } = await current();
    condition = status?.conditions?.find(({ type }) => type === 'Ready');
    assert.equal(`${condition?.status} ${condition?.reason}`, expected, condition?.message);
    return condition?.observedGeneration === metadata.generation;
  });
  return condition?.message ?? '';
}

/** What a new Pod of an image would run, and with which RuntimeClass. */
async function runs(image: string): Promise<[string, string | undefined]> {
  const index = indexOf({ images: [await current()], nodes: [capableNode('n1')] });
  const { rewrites, reason, runtimeClass } = decide(webPod(image), namespace, index, new Date());
  return [rewrites[0]?.image ?? reason, runtimeClass?.name];
}

async function digestOf(tag: string): Promise<string> {
  const headers = { accept: `${MANIFEST}, ${INDEX}` };
  const answer = await fetch(`http://${world.host}/v2/${name}/manifests/${tag}`, { method: 'HEAD', headers });
  return answer.headers.get('docker-content-digest') ?? '';
}

async function put(reference: string, document: object, mediaType: string): Promise<void> {
  const url = `http://${world.host}/v2/${name}/manifests/${reference}`;
  const body = JSON.stringify(document);
  const answer = await fetch(url, { method: 'PUT', body, headers: { 'content-type': mediaType } });
  assert.equal(answer.status, 201, await answer.text());
}

/** Takes the Nydus half off its tag, and makes it a referrer of the other, as `nydusify convert --with-referrer` does. */
async function refer(tag: string): Promise<string> {
  const { harness } = world;
  const subject = { mediaType: MANIFEST, digest: await digestOf(tag), size: (await raw(tag)).length };
  await put('referrer', { ...(await harness.manifest<Manifest>(name, `${tag}-nydus`)), subject }, MANIFEST);
  const digest = await digestOf('referrer');
  const entry = { mediaType: MANIFEST, digest, size: (await raw('referrer')).length };
  const artifactType = 'application/vnd.oci.image.config.v1+json';
  const list = { schemaVersion: 2, mediaType: INDEX, manifests: [{ ...entry, artifactType }] };
  // This registry does not list referrers: then whoever pushes one does.
  await put(subject.digest.replace(':', '-'), list, INDEX);
  await harness.untag(name, `${tag}-nydus`);
  await harness.untag(name, 'referrer');
  return digest;
}

async function raw(tag: string): Promise<Buffer> {
  const answer = await fetch(`http://${world.host}/v2/${name}/manifests/${tag}`, { headers: { accept: MANIFEST } });
  return Buffer.from(await answer.arrayBuffer());
}

describe('a double-version build', () => {
  test('is adopted by its tag, without any Job, and new Pods run it', async () => {
    await world.build('one', { outputs: halves('1'), cache: `${world.host}/${name}:cache` });
    await adopt();
    await ready('True Ready');
    const { status } = await current();
    const { artifact } = status ?? {};
    assert.equal(artifact?.digest, await digestOf('1-nydus'));
    assert.equal(artifact.sourceDigest, await digestOf('1'));
    assert.deepEqual([artifact.adoptedFrom, artifact.builder, artifact.format], ['Tag', 'BuildKit', 'RafsV6']);
    assert.ok((artifact.platforms[0]?.bootstrapSize ?? 0) > 0);
    assert.equal(status?.conversion, undefined);
    const { items } = await operator.client.list(jobs, { namespace });
    assert.deepEqual(items, []);
    const image = `${world.host}/${name}:1`;
    assert.deepEqual(await runs(image), [`${image}-nydus@${artifact.digest}`, 'nydus']);
  });

  test('holds in both halves the same files', async () => {
    await world.build('one', { outputs: halves('1') });
    const { layers } = await world.harness.manifest<Manifest>(name, '1');
    const tars = await Promise.all(
      layers.map(async ({ digest }) => gunzipSync(await world.harness.storedBlob(digest))),
    );
    const built = tars.map((tar) => layerOf(tar));
    assert.deepEqual(await differences(world.harness, name, '1-nydus', built), []);
  });

  test('of another version is adopted once both tags have moved, and with its cache costs the changed layer only', async () => {
    const cache = `${world.host}/${name}:cache`;
    await world.build('one', { outputs: halves('1'), cache });
    await adopt();
    await ready('True Ready');
    const before = await world.harness.manifest<Manifest>(name, '1-nydus');
    await world.buildkit.forget();
    // First the source, as the tags of a build do not move at once.
    await world.build('two', { outputs: [ociOutput(`${world.host}/${name}:1`)], cache });
    assert.match(await ready('False ArtifactMissing'), /1-nydus@sha256:.* is still that of sha256:/);
    const image = `${world.host}/${name}:1`;
    assert.deepEqual(await runs(image), ['NotReady', undefined]);

    await world.build('two', { outputs: halves('1'), cache });
    await lookAgain();
    await ready('True Ready');
    const next = await world.harness.manifest<Manifest>(name, '1-nydus');
    assert.deepEqual(next.layers.slice(0, 3), before.layers.slice(0, 3));
    assert.deepEqual(await runs(image), [`${image}-nydus@${await digestOf('1-nydus')}`, 'nydus']);
  });

  test('is adopted as a referrer, without a tag', async () => {
    await world.build('one', { outputs: halves('1') });
    const digest = await refer('1');
    await adopt();
    await ready('True Ready');
    const { artifact } = (await current()).status ?? {};
    assert.deepEqual([artifact?.adoptedFrom, artifact?.image], ['Referrer', `${world.host}/${name}@${digest}`]);
    assert.deepEqual(await runs(`${world.host}/${name}:1`), [`${world.host}/${name}@${digest}`, 'nydus']);
  });

  test('for several platforms, with attestations, is adopted as one', async () => {
    const options = { platform: 'linux/amd64,linux/arm64', 'attest:provenance': 'mode=min' };
    await world.buildPortable('one', { outputs: halves('1'), options });
    const platforms = ['linux/amd64', 'linux/arm64'];
    await adopt('1', { conversion: { mode: 'Adopt', platforms } });
    await ready('True Ready');
    const { artifact } = (await current()).status ?? {};
    assert.deepEqual(
      artifact?.platforms.map(({ platform }) => platform),
      platforms,
    );
    assert.equal(artifact?.digest, await digestOf('1-nydus'));
  });

  test('that lacks a platform of the source is refused, with what to do', async () => {
    const options = { platform: 'linux/amd64,linux/arm64' };
    const [oci = '', nydus = ''] = halves('1');
    await world.buildPortable('one', { outputs: [oci], options });
    await world.buildPortable('one', { outputs: [nydus], options: { platform: 'linux/arm64' } });
    await adopt('1', { conversion: { mode: 'Adopt', platforms: ['linux/amd64', 'linux/arm64'] } });
    assert.match(await ready('False ArtifactMismatch'), /linux\/amd64.* is for linux\/arm64/);
  });
});

describe('halves that do not belong together', () => {
  test('are refused with the first difference, and Pods run the original until they do', async () => {
    const [oci = '', nydus = ''] = halves('1');
    await world.build('one', { outputs: [oci] });
    await world.build('two', { outputs: [nydus] });
    await adopt();
    const message = await ready('False ArtifactMismatch');
    assert.match(message, /:1-nydus@sha256:.* is not the Nydus image of .*:1@sha256:.*: in step 4 its created is/);
    const { status } = await current();
    assert.equal(status?.artifact, undefined);
    assert.ok(status?.conditions?.some(({ type }) => type === 'Stalled'));
    assert.deepEqual(await runs(`${world.host}/${name}:1`), ['NotReady', undefined]);

    await world.build('one', { outputs: [nydus] });
    await lookAgain();
    await ready('True Ready');
  });

  test('cannot be told by builds with a given time, so that one has to name the other', async () => {
    const args = { SOURCE_DATE_EPOCH: '1700000000' };
    await world.build('one', { outputs: halves('1'), args });
    await adopt();
    assert.match(await ready('False ArtifactMismatch'), /no time of a clock/);
    const reference = `${world.host}/${name}:1-nydus`;
    const annotation = `containerd.io/snapshot/nydus-source-digest=${await digestOf('1')}`;
    await execute(toolPath('crane'), [
      'mutate',
      '--insecure',
      '--annotation',
      annotation,
      '--tag',
      reference,
      reference,
    ]);
    await lookAgain();
    await ready('True Ready');
  });

  test('are refused where the one with the suffix is no Nydus image', async () => {
    const [oci = ''] = halves('1');
    await world.build('one', { outputs: [oci, ociOutput(`${world.host}/${name}:1-nydus`)] });
    await adopt();
    assert.match(await ready('False ArtifactMismatch'), /is no Nydus image: none of its layers is a bootstrap/);
  });
});

describe('a Nydus image', () => {
  test('that is not pushed yet is waited for', async () => {
    const [oci = '', nydus = ''] = halves('1');
    await world.build('one', { outputs: [oci] });
    await adopt();
    assert.match(await ready('False ArtifactMissing'), /there is no .*:1-nydus/);
    await world.build('one', { outputs: [nydus] });
    await ready('True Ready');
  });

  test('that is the source itself is adopted as it is, and its Pods get what it needs to run', async () => {
    const image = `${world.host}/${name}:1`;
    await world.build('one', { outputs: [nydusOutput(image)] });
    await adopt();
    await ready('True Ready');
    const { artifact, source } = (await current()).status ?? {};
    assert.equal(artifact?.adoptedFrom, 'Source');
    assert.equal(artifact.digest, source?.digest);
    assert.deepEqual(await runs(image), [`${image}@${artifact.digest}`, 'nydus']);
    const pinned = `${world.host}/${name}@${artifact.digest}`;
    assert.deepEqual(await runs(pinned), ['Rewritten', 'nydus'], 'its name may stay');
  });

  test('that lost a blob is not adopted', async () => {
    await world.build('one', { outputs: halves('1') });
    const { layers } = await world.harness.manifest<Manifest>(name, '1-nydus');
    await world.harness.loseBlob(name, layers[0]?.digest ?? '');
    await adopt();
    assert.match(await ready('False VerificationFailed'), /does not have it/);
  });

  test('that reads from a blob which is none of its layers is not adopted', async () => {
    await world.build('one', { outputs: halves('1') });
    const manifest = await world.harness.manifest<Manifest>(name, '1-nydus');
    const [first, ...rest] = manifest.layers;
    await put('1-nydus', { ...manifest, layers: [{ ...first, ...rest[0] }, ...rest] }, MANIFEST);
    await adopt();
    assert.match(await ready('False ArtifactMismatch'), /reads from the blob sha256:/);
  });

  test('that goes away is missed, and Pods run the original', async () => {
    await world.build('one', { outputs: halves('1') });
    await adopt();
    await ready('True Ready');
    await fetch(`http://${world.host}/v2/${name}/manifests/${await digestOf('1-nydus')}`, { method: 'DELETE' });
    await ready('False ArtifactMissing');
    assert.deepEqual(await runs(`${world.host}/${name}:1`), ['NotReady', undefined]);
  });
});
