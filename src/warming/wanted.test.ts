import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PREFETCH_RANGES_ANNOTATION } from '../api/v1alpha1/labels.ts';
import type { Manifest } from '../registry/schema.ts';
import { wantedBlobs } from './wanted.ts';

const BLOB = 'application/vnd.oci.image.layer.nydus.blob.v1';

function manifestWith(...ranges: (string | undefined)[]): Manifest {
  const layers = ranges.map((text, index) => ({
    mediaType: BLOB,
    digest: `sha256:${String(index).repeat(64)}`,
    size: 100,
    ...(text === undefined ? {} : { annotations: { [PREFETCH_RANGES_ANNOTATION]: text } }),
  }));
  const tree = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: `sha256:${'e'.repeat(64)}`,
    size: 5,
  };
  const config = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: `sha256:${'c'.repeat(64)}`,
    size: 3,
  };
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: [...layers, tree],
  };
}

function wanted(manifest: Manifest, listedOnly: boolean): unknown[] {
  return wantedBlobs(manifest, listedOnly).map(({ digest, ranges }) => [
    digest[7],
    ...(ranges ?? ['all']).map((range) => (typeof range === 'string' ? range : `${range.offset}+${range.length}`)),
  ]);
}

const ALL = [
  ['c', 'all'],
  ['0', 'all'],
  ['1', 'all'],
  ['e', 'all'],
];

test('only listed ranges are wanted of blobs, all of the config and the tree, and nothing of blobs without', () => {
  const manifest = manifestWith('0-9,40-59', undefined);
  assert.deepEqual(wanted(manifest, true), [
    ['c', 'all'],
    ['0', '0+10', '40+20'],
    ['e', 'all'],
  ]);
  assert.deepEqual(wanted(manifest, false), ALL);
});

test('of an artifact without a list everything is wanted', () => {
  assert.deepEqual(wanted(manifestWith(undefined, undefined), true), ALL);
});

test('ranges that are none, or reach beyond the blob, are no list', () => {
  assert.deepEqual(wanted(manifestWith('90-100', 'everything'), true), ALL);
});
