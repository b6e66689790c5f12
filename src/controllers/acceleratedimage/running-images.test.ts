import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../kube/resources.ts';
import { imagesOf } from './running-images.ts';

const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;

function pod(spec: object, status: object = {}): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec, status } as Pod;
}

test('a Pod runs what its containers of every kind name by digest', () => {
  const containers = (image: string) => [{ name: 'c', image }];
  const spec = {
    initContainers: containers(`registry.test/web:1-nydus@${A}`),
    containers: containers(`registry.test/web@${B}`),
    ephemeralContainers: containers('registry.test/debug:1'),
  };
  assert.deepEqual(imagesOf(pod(spec)), [A, B, 'registry.test/debug:1']);
});

test('what a tag came to stands in its status', () => {
  const spec = { containers: [{ name: 'c', image: 'web' }] };
  const status = { phase: 'Running', containerStatuses: [{ name: 'c', imageID: `registry.test/web@${A}` }] };
  assert.deepEqual(imagesOf(pod(spec, status)), ['docker.io/library/web:latest', A]);
});

test('a Pod that has ended runs nothing, and nonsense is no image', () => {
  const spec = { containers: [{ name: 'c', image: `web@${A}` }] };
  assert.deepEqual(imagesOf(pod(spec, { phase: 'Succeeded' })), []);
  assert.deepEqual(imagesOf(pod({ containers: [{ name: 'c', image: 'NOT:AN:IMAGE' }, { name: 'd' }] })), []);
});
