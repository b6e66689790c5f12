import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ARTIFACT_DIGEST, indexOf, NOW, plainNode, readyImage } from '../../test/support/rewriting.ts';
import { resolveTemplate } from './template.ts';

const SOURCE = 'registry.test/web:1';
const TEMPLATE = {
  metadata: { labels: { app: 'web' } },
  spec: {
    initContainers: [{ name: 'migrate', image: SOURCE }],
    containers: [
      { name: 'web', image: SOURCE },
      { name: 'proxy', image: 'registry.test/proxy:1' },
    ],
  },
};

test('the Pods of a template run the artifact where admission would rewrite them', () => {
  const image = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
  assert.deepEqual(resolveTemplate(TEMPLATE, 'team-a', indexOf({ images: [readyImage('web', SOURCE)] }), NOW).images, [
    { container: 'migrate', image, acceleratedImage: 'team-a/web' },
    { container: 'web', image, acceleratedImage: 'team-a/web' },
    { container: 'proxy', image: 'registry.test/proxy:1' },
  ]);
});

test('the Pods of a template run what it says where admission would leave them', () => {
  const index = indexOf({ images: [readyImage('web', SOURCE)], nodes: [plainNode('p1')] });
  assert.deepEqual(resolveTemplate(TEMPLATE, 'team-a', index, NOW).images, [
    { container: 'migrate', image: SOURCE },
    { container: 'web', image: SOURCE },
    { container: 'proxy', image: 'registry.test/proxy:1' },
  ]);
});

test('a template without containers runs nothing', () => {
  assert.deepEqual(resolveTemplate({}, 'team-a', indexOf(), NOW).images, []);
});

test('what a Pod would be given to pull an artifact from another registry is known beside its own Secrets', () => {
  const image = readyImage('web', SOURCE, {
    spec: { target: { repository: 'other.test/web', pushSecretRef: { name: 'other' } } },
    status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
  });
  const template = { ...TEMPLATE, spec: { ...TEMPLATE.spec, imagePullSecrets: [{ name: 'own' }] } };
  assert.deepEqual(resolveTemplate(template, 'team-a', indexOf({ images: [image] }), NOW).pullSecrets, [
    'own',
    'other',
  ]);
});
