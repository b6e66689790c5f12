import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ORIGINAL_IMAGES_ANNOTATION } from '../api/v1alpha1/labels.ts';
import type { Pod } from '../kube/resources.ts';
import { chooseContainer } from './learn-target.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** A Pod with a proxy and with accelerated containers of these names. */
function pod(...accelerated: string[]): Pod {
  const originals = Object.fromEntries(accelerated.map((name) => [name, `registry.test/${name}:1`]));
  return {
    metadata: {
      namespace: 'shop',
      name: 'web',
      annotations: { [ORIGINAL_IMAGES_ANNOTATION]: JSON.stringify(originals) },
    },
    spec: {
      containers: [
        { name: 'proxy', image: 'registry.test/proxy:1' },
        ...accelerated.map((name) => ({ name, image: `registry.test/${name}:1-nydus@${DIGEST}` })),
      ],
    },
  };
}

test('the only accelerated container is the one that is meant', () => {
  const { name, image, original } = chooseContainer(pod('web'), undefined);
  assert.deepEqual([name, image, original], ['web', `registry.test/web:1-nydus@${DIGEST}`, 'registry.test/web:1']);
});

test('of several accelerated containers one must be named', () => {
  assert.throws(() => chooseContainer(pod('web', 'model'), undefined), /several .*--container: web, model/);
  assert.equal(chooseContainer(pod('web', 'model'), 'model').name, 'model');
});

test('a container that runs its own image, and a Pod of such, say who tells why', () => {
  const why = /kubectl slipstream explain pod\/web -n shop says why/;
  assert.throws(() => chooseContainer(pod(), undefined), why);
  assert.throws(() => chooseContainer(pod('web'), 'proxy'), /container proxy does not run an accelerated image/);
  assert.throws(() => chooseContainer(pod('web'), 'proxy'), why);
});

test('a container that is not there says which are', () => {
  assert.throws(() => chooseContainer(pod('web'), 'wbe'), /has no container wbe: it has proxy, web/);
});
