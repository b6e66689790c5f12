import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RegistryError } from './errors.ts';
import { manifestType, parseConfig, parseManifest } from './manifest.ts';
import { isImageManifest, isIndex, MEDIA_TYPES } from './schema.ts';

const blob = { mediaType: MEDIA_TYPES.ociConfig, digest: `sha256:${'0'.repeat(64)}`, size: 2 };
const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config: blob, layers: [blob] };
const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [blob] };

function parse(document: unknown, contentType?: string): ReturnType<typeof parseManifest> {
  return parseManifest(Buffer.from(JSON.stringify(document)), contentType, 'r.io/a:1');
}

function fails(kind: string, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof RegistryError && error.kind === kind && message.test(error.message);
}

describe('parseManifest', () => {
  for (const mediaType of [MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest]) {
    test(`reads ${mediaType} as a manifest`, () => {
      const parsed = parse({ ...manifest, mediaType }, `${mediaType}; charset=utf-8`);
      assert.equal(parsed.mediaType, mediaType);
      assert.ok(!isIndex(parsed.manifest) && isImageManifest(parsed.manifest));
    });
  }
  for (const mediaType of [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerManifestList]) {
    test(`reads ${mediaType} as an index`, () => {
      assert.ok(isIndex(parse({ ...index, mediaType }, mediaType).manifest));
    });
  }

  test('goes by the document where the Content-Type says nothing, and by the Content-Type where the document does not', () => {
    assert.equal(parse(index, 'application/json').mediaType, MEDIA_TYPES.ociIndex);
    assert.equal(parse(index).mediaType, MEDIA_TYPES.ociIndex);
    assert.equal(parse({ ...index, mediaType: undefined }, MEDIA_TYPES.ociIndex).mediaType, MEDIA_TYPES.ociIndex);
  });

  test('a document that contradicts its Content-Type, or is both kinds at once, is refused', () => {
    assert.throws(
      () => parse(index, MEDIA_TYPES.ociManifest),
      fails('Invalid', /sent as .*manifest.* but calls itself .*index/),
    );
    assert.throws(() => parse({ ...index, layers: [blob] }), fails('Invalid', /index and a manifest at once/));
    assert.throws(() => parse({ ...manifest, manifests: [blob] }), fails('Invalid', /index and a manifest at once/));
  });

  test('other documents are Unsupported, and the message names their type', () => {
    const schema1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
    assert.throws(() => parse({ schemaVersion: 1 }, schema1), fails('Unsupported', /manifest\.v1\+prettyjws/));
    assert.throws(() => parse({ schemaVersion: 2, layers: [] }), fails('Unsupported', /no media type/));
  });

  test('a document that breaks the specification is Invalid, and the message says where', () => {
    assert.throws(
      () => parse({ ...manifest, layers: [{ ...blob, digest: 'sha256:1' }] }),
      fails('Invalid', /layers\.0\.digest/),
    );
    assert.throws(() => parse({ ...manifest, config: { ...blob, size: -1 } }), fails('Invalid', /config\.size/));
    assert.throws(() => parse([]), fails('Invalid', /r\.io\/a:1/));
    assert.throws(() => parseManifest(Buffer.from('<html>'), undefined, 'r.io/a:1'), fails('Invalid', /not JSON/));
  });
});

test('an artifact that is no container image is told apart by its config', () => {
  const chart = { ...manifest, config: { ...blob, mediaType: 'application/vnd.cncf.helm.config.v1+json' } };
  assert.ok(!isImageManifest(parse(chart).manifest));
  assert.ok(!isImageManifest(parse(index).manifest));
});

test('a config keeps the fields that nobody here knows', () => {
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['A=b'], Healthcheck: { Test: ['NONE'] } },
    rootfs: { type: 'layers', diff_ids: [blob.digest] },
    history: [{ created_by: 'RUN x', empty_layer: true }],
    'moby.buildkit.x': 1,
  };
  assert.deepEqual(parseConfig(Buffer.from(JSON.stringify(config)), 'config'), config);
  assert.throws(() => parseConfig(Buffer.from('{}'), 'config sha256:1'), fails('Invalid', /config sha256:1/));
});

test('manifestType knows the four types in any spelling, and no other', () => {
  assert.equal(manifestType('Application/VND.oci.image.index.v1+JSON ; charset=utf-8'), MEDIA_TYPES.ociIndex);
  assert.equal(manifestType('text/html'), undefined);
  assert.equal(manifestType(undefined), undefined);
});
