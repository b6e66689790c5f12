import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { toolPath } from '../../../hack/tools/locate.ts';
import { execute } from '../../../hack/tools/process.ts';
import { CLEANUP_FINALIZER } from '../../../src/api/v1alpha1/labels.ts';
import { acceleratedImages } from '../../../src/kube/resources.ts';
import {
  BUSYBOX_IMAGE,
  createPod,
  namespace,
  openWorld,
  OPERATOR_NAMESPACE,
  ready,
  removePod,
  type World,
} from './world.ts';

let world: World;

before(async () => {
  world = await openWorld();
});

after(() => world?.client.close());

test('helm uninstall lets objects go that have a finalizer, and leaves nothing in the way of Pods', async () => {
  const ref = { namespace, name: 'cleaned' };
  const spec = { source: { image: BUSYBOX_IMAGE }, deletionPolicy: 'Delete' as const };
  await world.client.create(acceleratedImages, { metadata: ref, spec });
  const image = await ready(world, ref.name);
  assert.deepEqual(image.metadata.finalizers, [CLEANUP_FINALIZER]);

  const where = ['--namespace', OPERATOR_NAMESPACE, '--wait', '--timeout', '5m'];
  await execute(toolPath('helm'), ['uninstall', 'slipstream', ...where]);
  assert.equal((await world.client.get(acceleratedImages, ref)).metadata.finalizers, undefined);
  const admitted = await createPod(world, 'original', { image: BUSYBOX_IMAGE, command: ['/bin/true'] });
  assert.equal(admitted.spec?.containers[0]?.image, BUSYBOX_IMAGE);
  await removePod(world, 'original');

  // All objects of the kind go with it: it would wait for one that has a finalizer.
  const crd = ['delete', 'crd', 'acceleratedimages.slipstream.dev', '--timeout=60s'];
  await execute(toolPath('kubectl'), crd);
});
