import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import { formatReference } from '../../registry/reference.ts';
import { identify, targetReference } from './identity.ts';
import type { ConversionOptions } from './identity.ts';

const SOURCE = `sha256:${'a'.repeat(64)}`;
const OPTIONS: ConversionOptions = {
  format: 'RafsV6',
  compressor: 'zstd',
  chunkDictionary: undefined,
  prefetchPaths: ['/a', '/b'],
  platforms: ['linux/amd64', 'linux/arm64'],
};
const TARGET = { registry: 'registry.test', repository: 'web', tag: '1-nydus' };

test('the same source, options and target are the same conversion, in whatever order platforms are written', () => {
  const reordered = { ...OPTIONS, platforms: ['linux/arm64', 'linux/amd64'] };
  assert.deepEqual(identify(SOURCE, OPTIONS, TARGET), identify(SOURCE, reordered, TARGET));
});

test('another source, option or target is another conversion', () => {
  const names = [
    identify(SOURCE, OPTIONS, TARGET),
    identify(`sha256:${'b'.repeat(64)}`, OPTIONS, TARGET),
    identify(SOURCE, { ...OPTIONS, compressor: 'none' }, TARGET),
    identify(SOURCE, { ...OPTIONS, format: 'RafsV5' }, TARGET),
    identify(SOURCE, { ...OPTIONS, chunkDictionary: { from: 'PreviousVersion' } }, TARGET),
    identify(SOURCE, { ...OPTIONS, chunkDictionary: { image: 'registry.test/base:1' } }, TARGET),
    identify(SOURCE, { ...OPTIONS, prefetchPaths: [] }, TARGET),
    // nydusd fetches them in their order.
    identify(SOURCE, { ...OPTIONS, prefetchPaths: ['/b', '/a'] }, TARGET),
    identify(SOURCE, { ...OPTIONS, platforms: ['linux/amd64'] }, TARGET),
    identify(SOURCE, OPTIONS, { ...TARGET, tag: '2-nydus' }),
  ].map(({ jobName }) => jobName);
  assert.equal(new Set(names).size, names.length);
});

test('a Job name and a label value can hold the identity', () => {
  const { jobName, hash } = identify(SOURCE, OPTIONS, TARGET);
  assert.match(jobName, /^[a-z0-9-]{1,63}$/);
  assert.match(hash, /^[a-z0-9]{1,63}$/);
});

test('the artifact goes beside its source unless the spec says otherwise', () => {
  const target = (spec: Record<string, unknown>): string =>
    formatReference(targetReference(acceleratedImage('web', { spec }).spec));
  assert.equal(target({ source: { image: 'registry.test/web:1' } }), 'registry.test/web:1-nydus');
  assert.equal(
    target({ source: { image: `registry.test/web@sha256:${'c'.repeat(64)}` } }),
    'registry.test/web:cccccccccccc-nydus',
  );
  assert.equal(
    target({
      source: { image: 'registry.test/web:1' },
      target: { repository: 'other.test:5000/fast/web', tagSuffix: '.n' },
    }),
    'other.test:5000/fast/web:1.n',
  );
});

test('a long tag is cut so that tag and suffix stay within the 128 characters of the Distribution specification', () => {
  const spec = acceleratedImage('web', { spec: { source: { image: `registry.test/web:${'t'.repeat(128)}` } } }).spec;
  const { tag } = targetReference(spec);
  assert.equal(tag?.length, 128);
  assert.ok(tag.endsWith('-nydus'));
});
