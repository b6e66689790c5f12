import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ImageConfig, Manifest } from '../../registry/schema.ts';
import { builderOf, differenceOf, isNydus, type Half } from './adoption-pair.ts';

const CLOCK = '2026-11-23T10:00:00.123456789Z';
const GIVEN = '2026-11-23T10:00:00Z';
const DIGEST = digest('e');

function digest(digit: string): string {
  return `sha256:${digit.repeat(64)}`;
}

function configOf(rest: Partial<ImageConfig> = {}): ImageConfig {
  return {
    architecture: 'amd64',
    os: 'linux',
    created: CLOCK,
    config: { Env: ['PATH=/bin'], Cmd: ['/app'], User: '1000' },
    rootfs: { type: 'layers', diff_ids: [digest('a')] },
    history: [
      { created_by: 'COPY app /app # buildkit', created: CLOCK, comment: 'buildkit.dockerfile.v0' },
      { created_by: 'USER 1000', created: CLOCK, comment: 'buildkit.dockerfile.v0', empty_layer: true },
    ],
    ...rest,
  };
}

function layer(digit: string, annotation?: string): Manifest['layers'][number] {
  const annotations = annotation === undefined ? {} : { [`containerd.io/snapshot/${annotation}`]: 'true' };
  return { mediaType: 'application/octet-stream', digest: digest(digit), size: 1, annotations };
}

function manifestOf(layers: Manifest['layers'], rest: Partial<Manifest> = {}): Manifest {
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digest('c'), size: 1 };
  return { schemaVersion: 2, config, layers, ...rest };
}

function sourceHalf(config: Partial<ImageConfig> = {}): Half {
  return { manifest: manifestOf([layer('a')]), config: configOf(config) };
}

/** As BuildKit writes it: the same config but for the layers, and nothing that names the source. */
function nydusHalf(config: Partial<ImageConfig> = {}, manifest: Partial<Manifest> = {}): Half {
  const layers = [layer('b', 'nydus-blob'), layer('d', 'nydus-bootstrap')];
  const rootfs = { type: 'layers' as const, diff_ids: [digest('b'), digest('f')] };
  return { manifest: manifestOf(layers, manifest), config: configOf({ rootfs, ...config }) };
}

function difference(nydus: Half, source = sourceHalf()): string | undefined {
  return differenceOf(source, nydus, [DIGEST]);
}

describe('two halves', () => {
  test('of one build belong together, though neither names the other', () => {
    assert.equal(difference(nydusHalf()), undefined);
  });

  test('belong together where the converter wrote a step of its own, and left out or wrote down empty fields', () => {
    const { history } = configOf();
    const converted = [...(history ?? []), { created_by: 'Nydus Converter', comment: 'Nydus Bootstrap Layer' }];
    const config = { ...configOf().config, Volumes: null, WorkingDir: '' };
    assert.equal(difference(nydusHalf({ history: converted, config })), undefined);
  });

  const others: [string, Half, RegExp][] = [
    [
      'an annotation that names another source',
      claiming(digest('9')),
      /it was made from sha256:999.*, not from sha256:eee/,
    ],
    ['a subject that is another source', nydusHalf({}, { subject: layer('9') }), /it was made from sha256:999/],
    ['another platform', nydusHalf({ architecture: 'arm64' }), /it is for linux\/arm64, the source for linux\/amd64/],
    [
      'another command',
      nydusHalf({ config: { Env: ['PATH=/bin'], Cmd: ['/other'], User: '1000' } }),
      /its Cmd is \["\/other"\], that of the source \["\/app"\]/,
    ],
    [
      'no user',
      nydusHalf({ config: { Env: ['PATH=/bin'], Cmd: ['/app'] } }),
      /its User is not set, that of the source "1000"/,
    ],
    ['a step less', nydusHalf({ history: (configOf().history ?? []).slice(1) }), /built in 1 steps, the source in 2/],
    [
      'a step at another time',
      nydusHalf({ history: (configOf().history ?? []).map((step) => ({ ...step, created: GIVEN })) }),
      /in step 1 its created is/,
    ],
    ['another time of creation', nydusHalf({ created: GIVEN }), /it was created at/],
    [
      'a layer less',
      { ...nydusHalf(), manifest: manifestOf([layer('d', 'nydus-bootstrap')]) },
      /it has 0 layers with data, the source 1/,
    ],
  ];
  for (const [what, nydus, expected] of others) {
    test(`do not belong together: ${what}`, () => assert.match(difference(nydus) ?? '', expected));
  }

  test('whose layers name those of another source do not belong together', () => {
    const nydus = nydusHalf();
    const [blob, boot] = nydus.manifest.layers;
    assert.ok(blob !== undefined && boot !== undefined);
    const annotations = { ...blob.annotations, 'slipstream.dev/source-layer': digest('7') };
    const other = { ...nydus, manifest: manifestOf([{ ...blob, annotations }, boot]) };
    assert.match(difference(other) ?? '', /its layer 1 was made from sha256:777.*, that of the source is sha256:aaa/);
  });

  test('of reproducible builds belong together only where one names the other', () => {
    const history = (configOf().history ?? []).map((step) => ({ ...step, created: GIVEN }));
    const given = { created: GIVEN, history };
    assert.match(difference(nydusHalf(given), sourceHalf(given)) ?? '', /no time of a clock/);
    assert.equal(difference(claiming(DIGEST, given), sourceHalf(given)), undefined);
    assert.equal(difference(nydusHalf(given, { subject: layer('e') }), sourceHalf(given)), undefined);
  });
});

function claiming(source: string, config: Partial<ImageConfig> = {}): Half {
  return nydusHalf(config, { annotations: { 'containerd.io/snapshot/nydus-source-digest': source } });
}

test('a Nydus image is told by its bootstrap', () => {
  assert.equal(isNydus(nydusHalf().manifest), true);
  assert.equal(isNydus(sourceHalf().manifest), false);
});

test('who built an image is what it says, and unknown where it says nothing', () => {
  const annotations = { 'containerd.io/snapshot/nydus-builder-version': 'v2.2.0' };
  const comment = 'Nydus Bootstrap Layer';
  assert.equal(builderOf(nydusHalf({}, { annotations })), 'v2.2.0');
  assert.equal(builderOf(nydusHalf()), 'BuildKit');
  assert.equal(builderOf(nydusHalf({ history: [...(configOf().history ?? []), { comment }] })), 'Nydus Converter');
  assert.equal(builderOf(nydusHalf({ history: [{ created_by: 'by hand' }] })), 'unknown');
});
