import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { ImageConfig, Index, Manifest } from '../registry/schema.ts';
import { buildConfig, buildIndex, buildManifest } from './manifest.ts';

const digest = (hex: string): string => `sha256:${hex.repeat(64)}`;
const sourceConfig = ImageConfig.parse({
  created: '2024-01-01T00:00:00Z',
  author: 'somebody',
  architecture: 'amd64',
  os: 'linux',
  'os.version': '1',
  config: { Env: ['A=b'], Healthcheck: { Test: ['NONE'] }, ExposedPorts: { '80/tcp': {} } },
  rootfs: { type: 'layers', diff_ids: [digest('1'), digest('2')] },
  history: [{ created_by: 'first' }, { created_by: 'ENV', empty_layer: true }, { created_by: 'second' }],
});
const blobs = [
  { sourceDigest: digest('a'), digest: digest('b'), size: 10 },
  { sourceDigest: digest('c'), digest: digest('d'), size: 20 },
  { sourceDigest: digest('a'), digest: digest('b'), size: 10 },
];
const bootstrap = { digest: digest('e'), size: 5, diffID: digest('f') };
const provenance = {
  sourceReference: 'registry.example.com/app:1',
  fsVersion: '6',
  builder: 'v2.2.0',
  optionsHash: 'abc',
  layerOptions: '2/RafsV6/zstd',
} as const;
const subject = {
  mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
  digest: digest('5'),
  size: 500,
  platform: { os: 'linux', architecture: 'amd64' },
};

describe('the config of an artifact', () => {
  const { body, descriptor } = buildConfig(sourceConfig, {
    blobs,
    referred: [],
    indexed: false,
    prefetch: new Map(),
    bootstrap,
  });
  const config = JSON.parse(body.toString()) as Record<string, unknown>;

  test('runs the container as the source does', () => {
    const { rootfs, history, ...rest } = sourceConfig;
    const { rootfs: newRootfs, history: newHistory, ...newRest } = config;
    assert.deepEqual(newRest, rest);
    assert.ok(rootfs !== newRootfs && history !== newHistory);
  });

  test('has one diff ID for each layer of the manifest, in its order', () => {
    assert.deepEqual(config.rootfs, {
      type: 'layers',
      diff_ids: [digest('b'), digest('d'), digest('b'), digest('f')],
    });
  });

  test('has a history entry for the bootstrap layer', () => {
    assert.deepEqual((config.history as unknown[]).at(-1), {
      created_by: 'Nydus Converter',
      comment: 'Nydus Bootstrap Layer',
    });
    assert.equal((config.history as unknown[]).length, 4);
  });

  test('is described by its bytes', () => {
    assert.deepEqual(descriptor, {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: `sha256:${createHash('sha256').update(body).digest('hex')}`,
      size: body.length,
    });
  });

  test('of an image without a history still has the entry', () => {
    const { history, ...bare } = sourceConfig;
    assert.equal(history?.length, 3);
    const made = JSON.parse(
      buildConfig(bare, { blobs, referred: [], indexed: false, prefetch: new Map(), bootstrap }).body.toString(),
    ) as {
      history: unknown[];
    };
    assert.equal(made.history.length, 1);
  });
});

test('the manifest is what nydusify writes, with where each layer comes from', () => {
  const config = buildConfig(sourceConfig, {
    blobs,
    referred: [],
    indexed: false,
    prefetch: new Map(),
    bootstrap,
  }).descriptor;
  const { body } = buildManifest(
    config,
    { blobs, referred: [], indexed: false, prefetch: new Map(), bootstrap },
    subject,
    provenance,
  );
  const blob = (blobDigest: string, size: number, source: string) => ({
    mediaType: 'application/vnd.oci.image.layer.nydus.blob.v1',
    digest: blobDigest,
    size,
    annotations: { 'containerd.io/snapshot/nydus-blob': 'true', 'slipstream.dev/source-layer': source },
  });
  assert.deepEqual(Manifest.parse(JSON.parse(body.toString())), {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: [
      blob(digest('b'), 10, digest('a')),
      blob(digest('d'), 20, digest('c')),
      blob(digest('b'), 10, digest('a')),
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: digest('e'),
        size: 5,
        annotations: {
          'containerd.io/snapshot/nydus-bootstrap': 'true',
          'containerd.io/snapshot/nydus-fs-version': '6',
        },
      },
    ],
    // Without the platform, which some registries refuse there.
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: 500 },
    annotations: {
      'containerd.io/snapshot/nydus-source-digest': subject.digest,
      'containerd.io/snapshot/nydus-source-reference': 'registry.example.com/app:1',
      'containerd.io/snapshot/nydus-fs-version': '6',
      'containerd.io/snapshot/nydus-builder-version': 'v2.2.0',
      'slipstream.dev/options': 'abc',
      'slipstream.dev/layer-options': '2/RafsV6/zstd',
    },
  });
});

test('every entry of an index has a platform and says that it is a Nydus manifest', () => {
  const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digest('7'), size: 700 };
  const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' };
  const { body } = buildIndex([{ descriptor, platform }], [], digest('6'), provenance);
  const index = Index.parse(JSON.parse(body.toString()));
  assert.deepEqual(index.manifests, [
    { ...descriptor, platform, artifactType: 'application/vnd.nydus.image.manifest.v1+json' },
  ]);
  assert.equal(index.annotations?.['containerd.io/snapshot/nydus-source-digest'], digest('6'));
  assert.equal(index.annotations?.['slipstream.dev/options'], 'abc');
});

test('the same input makes the same bytes', () => {
  const make = (): Buffer[] => {
    const config = buildConfig(sourceConfig, { blobs, referred: [], indexed: false, prefetch: new Map(), bootstrap });
    const manifest = buildManifest(
      config.descriptor,
      { blobs, referred: [], indexed: false, prefetch: new Map(), bootstrap },
      subject,
      provenance,
    );
    const entries = [{ descriptor: manifest.descriptor, platform: { os: 'linux', architecture: 'amd64' } }];
    return [config.body, manifest.body, buildIndex(entries, [], digest('6'), provenance).body];
  };
  assert.deepEqual(make(), make());
});
