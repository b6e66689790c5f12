import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ImageConfig, type Descriptor } from '../registry/schema.ts';
import { matchArtifact, platformResult, reusableLayers, type Artifact } from './artifact.ts';
import { buildConfig, buildManifest, type BlobLayer, type Provenance } from './manifest.ts';
import type { Source, SourceImage } from './source.ts';

const digest = (hex: string): string => `sha256:${hex.repeat(64)}`;
const reference = { registry: 'registry.example.com', repository: 'app', tag: '1-nydus' };
const provenance: Provenance = {
  sourceReference: 'app:1',
  fsVersion: '6',
  builder: 'v2.2.0',
  optionsHash: 'options',
  layerOptions: 'layers',
};
const config = ImageConfig.parse({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } });
const bootstrap = { digest: digest('e'), size: 5, diffID: digest('f') };

function sourceImage(name: string, manifestDigest: string): SourceImage {
  const descriptor: Descriptor = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: manifestDigest,
    size: 1,
  };
  return {
    name,
    platform: { os: 'linux', architecture: 'amd64' },
    descriptor,
    manifest: { schemaVersion: 2, config: descriptor, layers: [] },
    body: Buffer.of(),
    config,
  };
}

function artifactOf(images: SourceImage[], blobs: BlobLayer[], indexOf?: string): Artifact {
  const manifests = images.map(({ descriptor }) =>
    buildManifest(
      buildConfig(config, { blobs, referred: [], indexed: false, prefetch: new Map(), bootstrap }).descriptor,
      { blobs, referred: [], indexed: false, prefetch: new Map(), bootstrap },
      descriptor,
      provenance,
    ),
  );
  const annotations = manifests[0]?.manifest.annotations ?? {};
  return {
    reference,
    digest: digest('9'),
    index: indexOf !== undefined,
    manifests,
    annotations:
      indexOf === undefined ? annotations : { ...annotations, 'containerd.io/snapshot/nydus-source-digest': indexOf },
  };
}

const amd64 = sourceImage('linux/amd64', digest('1'));
const arm64 = sourceImage('linux/arm64', digest('2'));
const blobs = [
  { sourceDigest: digest('a'), digest: digest('b'), size: 10 },
  { sourceDigest: digest('c'), digest: digest('d'), size: 20 },
  { sourceDigest: digest('a'), digest: digest('b'), size: 10 },
];

describe('an artifact that is there already', () => {
  const single: Source = { digest: digest('8'), images: [amd64] };
  const multi: Source = { digest: digest('8'), images: [amd64, arm64] };

  test('is taken when it was made from this source with these options', () => {
    const [platform, ...more] = matchArtifact(artifactOf([amd64], blobs), single, 'options') ?? [];
    assert.deepEqual(more, []);
    assert.equal(platform?.platform, 'linux/amd64');
    assert.equal(platform?.sourceDigest, digest('1'));
  });

  test('is taken for several platforms when each of them was', () => {
    const artifact = artifactOf([amd64, arm64], blobs, digest('8'));
    const platforms = matchArtifact(artifact, multi, 'options');
    assert.deepEqual(
      platforms?.map((platform) => platform.platform),
      ['linux/amd64', 'linux/arm64'],
    );
  });

  test('is not taken after the source moved, other options, or other platforms', () => {
    const moved: Source = { digest: digest('8'), images: [sourceImage('linux/amd64', digest('7'))] };
    assert.equal(matchArtifact(artifactOf([amd64], blobs), moved, 'options'), undefined);
    assert.equal(matchArtifact(artifactOf([amd64], blobs), single, 'other'), undefined);
    assert.equal(matchArtifact(artifactOf([amd64], blobs), multi, 'options'), undefined);
    assert.equal(matchArtifact(artifactOf([amd64, arm64], blobs, digest('8')), single, 'options'), undefined);
    assert.equal(matchArtifact(artifactOf([amd64, arm64], blobs, digest('7')), multi, 'options'), undefined);
  });
});

describe('layers of an earlier artifact', () => {
  test('are offered by the source layer that they were made from', () => {
    const layers = reusableLayers(artifactOf([amd64], blobs), {
      layerOptions: 'layers',
      builder: 'v2.2.0',
      dictionary: undefined,
    });
    assert.deepEqual([...layers.keys()], [digest('a'), digest('c')]);
    assert.deepEqual(layers.get(digest('c')), {
      sourceDigest: digest('c'),
      digest: digest('d'),
      size: 20,
      from: reference,
    });
  });

  test('are not offered when options or builder were others', () => {
    assert.equal(
      reusableLayers(artifactOf([amd64], blobs), { layerOptions: 'other', builder: 'v2.2.0', dictionary: undefined })
        .size,
      0,
    );
    assert.equal(
      reusableLayers(artifactOf([amd64], blobs), { layerOptions: 'layers', builder: 'v2.3.0', dictionary: undefined })
        .size,
      0,
    );
  });
});

test('the size of an artifact counts a layer once that it has twice', () => {
  const [manifest] = artifactOf([amd64], blobs).manifests;
  assert.ok(manifest !== undefined);
  const result = platformResult('linux/amd64', digest('1'), manifest);
  assert.equal(result.size, manifest.manifest.config.size + 10 + 20 + 5);
  assert.equal(result.bootstrapSize, 5);
});
