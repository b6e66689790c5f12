import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcceleratedImageSpec } from '../api/v1alpha1/acceleratedimage.ts';
import { MAX_PATHS } from './defaults.ts';
import { propose, type Proposal } from './proposal.ts';
import type { Recording } from './recording.ts';

/** A recording of an image of 1000 bytes in which files of these sizes were read, one after another. */
function recording(sizes: Readonly<Record<string, number>>, bytes = 1000): Recording {
  const files = Object.entries(sizes).map(([path, size], index) => ({ path, bytes: size, reads: 1, after: index }));
  return { image: { files: 5000, bytes }, read: { files: files.length, bytes: 0, unknown: 0 }, files };
}

const paths = (files: Proposal['files']): string[] => files.map(({ path }) => path);

test('the files that were read first make the list', () => {
  const { files, bytes, share, leftOut } = propose(recording({ '/b': 100, '/a': 20, '/c': 30 }), 2);
  assert.deepEqual(paths(files), ['/b', '/a']);
  assert.equal(bytes, 120);
  assert.equal(share, 0.12);
  assert.deepEqual(leftOut, { tooLarge: [], unlistable: [], late: 1 });
});

test('a list never amounts to more than half of the image; what fits behind a file that does not still comes in', () => {
  const { files, share, leftOut } = propose(recording({ '/a': 300, '/model': 600, '/b': 200, '/c': 1 }), MAX_PATHS);
  assert.deepEqual(paths(files), ['/a', '/b']);
  assert.equal(share, 0.5);
  assert.deepEqual(paths(leftOut.tooLarge), ['/model', '/c']);
});

test('the longest list is one that the API takes', () => {
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`/usr/lib/file-${i}`, 1]));
  const { files, leftOut } = propose(recording(many, 10_000), MAX_PATHS);
  assert.equal(files.length, 256);
  assert.equal(leftOut.late, 744);
  const spec = { source: { image: 'app:1' }, conversion: { prefetchPaths: paths(files) } };
  assert.deepEqual(AcceleratedImageSpec.parse(spec).conversion.prefetchPaths, paths(files));
  const longer = { ...spec, conversion: { prefetchPaths: [...paths(files), '/one-more'] } };
  assert.equal(AcceleratedImageSpec.safeParse(longer).success, false);
});

test('paths that nydus-image would read as others are left out and named', () => {
  const odd = { '/with\nnewline': 1, '/ends with a space ': 1, '/not \uFFFD UTF-8': 1, [`/${'x'.repeat(4096)}`]: 1 };
  const { files, leftOut } = propose(recording({ ...odd, '/ein Wort für jeden': 1 }), MAX_PATHS);
  assert.deepEqual(paths(files), ['/ein Wort für jeden']);
  assert.deepEqual(paths(leftOut.unlistable), Object.keys(odd));
});
