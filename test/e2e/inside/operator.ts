import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NODE_CAPABLE_LABEL, REWRITE_ANNOTATION } from '../../../src/api/v1alpha1/labels.ts';
import { acceleratedImages, jobs, nodes, pods } from '../../../src/kube/resources.ts';
import { toolPath } from '../../../hack/tools/locate.ts';
import { execute } from '../../../hack/tools/process.ts';
import {
  accelerate,
  BUSYBOX_IMAGE,
  createPod,
  openWorld,
  OPERATOR_NAMESPACE,
  output,
  REGISTRY,
  removePod,
  until,
  type World,
} from './world.ts';

let world: World;

before(async () => {
  world = await openWorld();
});

after(() => world?.client.close());

test('a node that reports the runtime handler is labelled for the RuntimeClass', async () => {
  await until('every node is labelled', async () => {
    const { items } = await world.client.list(nodes, {});
    return items.length === 2 && items.every(({ metadata }) => metadata.labels?.[NODE_CAPABLE_LABEL] === 'true');
  });
});

test('one object, and the next Pod starts from a verified Nydus image and finds every file in it', async () => {
  const image = await accelerate(world, 'busybox', BUSYBOX_IMAGE);
  const artifact = image.status?.artifact;
  assert.match(artifact?.image ?? '', /busybox:1-nydus@sha256:[0-9a-f]{64}$/);
  assert.equal(artifact?.sourceDigest, image.status?.source?.digest);

  const admitted = await createPod(world, 'rewritten', {
    image: BUSYBOX_IMAGE,
    command: ['/bin/sh', '-c', 'ls /bin | wc -l; mount | grep " / "'],
  });
  assert.equal(admitted.spec?.containers[0]?.image, artifact?.image);
  assert.equal(admitted.spec?.runtimeClassName, 'nydus');
  assert.equal(admitted.metadata.annotations?.[REWRITE_ANNOTATION], 'rewritten');
  const rewritten = await output(world, 'rewritten');

  await createPod(world, 'original', {
    image: BUSYBOX_IMAGE,
    command: ['/bin/sh', '-c', 'ls /bin | wc -l'],
    labels: { 'slipstream.dev/rewrite': 'disabled' },
  });
  const original = await output(world, 'original');
  assert.equal(rewritten.split('\n')[0], original.trim());
  await removePod(world, 'rewritten');
  await removePod(world, 'original');
});

test("in the operator's Pod, slipstream warm needs nothing but the image and the namespace", async () => {
  const inPod = ['--namespace', OPERATOR_NAMESPACE, 'exec', 'deploy/slipstream', '--'];
  const warm = ['node', 'src/main.ts', 'warm', BUSYBOX_IMAGE, '--namespace', 'default'];
  const { stdout, stderr } = await execute(toolPath('kubectl'), [...inPod, ...warm]);
  // Other tests have objects for the same image.
  assert.match(stderr, /New Pods run what AcceleratedImage default\/\S+ has made of it/);
  assert.match(stdout, /busybox:1-nydus@sha256:.*\n.*\n.*SEED PEER.*\n.* warm\n$/);
});

for (const format of ['RafsV5', 'Zran'] as const) {
  test(`a Pod starts from an artifact of the format ${format}, too`, async () => {
    const name = format.toLowerCase();
    const source = `${REGISTRY}/formats/${name}:1`;
    await execute(toolPath('crane'), ['copy', '--insecure', BUSYBOX_IMAGE, source]);
    const image = await accelerate(world, name, source, { format });
    const admitted = await createPod(world, name, { image: source, command: ['/bin/sh', '-c', 'ls /bin | wc -l'] });
    assert.equal(admitted.spec?.containers[0]?.image, image.status?.artifact?.image);
    assert.ok(Number(await output(world, name)) > 100);
    await removePod(world, name);
    await world.client.delete(acceleratedImages, { namespace: 'default', name });
  });
}

test('the Job that converted ran without any Kubernetes permission and at the restricted level', async () => {
  const { items } = await world.client.list(jobs, {
    namespace: 'default',
    labelSelector: 'app.kubernetes.io/managed-by=slipstream',
  });
  const spec = items[0]?.spec?.template.spec;
  assert.equal(spec?.automountServiceAccountToken, false);
  assert.equal(spec.securityContext?.runAsNonRoot, true);
  assert.equal(spec.containers[0]?.securityContext?.allowPrivilegeEscalation, false);
});

test('a Pod whose image nobody accelerates is admitted as it was', async () => {
  const admitted = await createPod(world, 'other', { image: 'registry.example.com/other:1' });
  assert.equal(admitted.spec?.containers[0]?.image, 'registry.example.com/other:1');
  assert.equal(admitted.spec?.runtimeClassName, undefined);
  assert.equal(admitted.metadata.annotations?.[REWRITE_ANNOTATION], undefined);
  await world.client.delete(pods, { namespace: 'default', name: 'other' });
});
