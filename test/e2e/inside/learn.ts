import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { load } from 'js-yaml';
import { busyboxRootfs, pushRootfs } from '../../../hack/cluster/images.ts';
import { execute } from '../../../hack/tools/process.ts';
import { acceleratedImages, jobs, pods } from '../../../src/kube/resources.ts';
import { MAIN, run, type Ran } from '../../support/cli.ts';
import { noise } from '../../support/image-builder.ts';
import {
  accelerate,
  BUSYBOX_IMAGE,
  createPod,
  namespace,
  openWorld,
  OPERATOR_NAMESPACE,
  ready,
  REGISTRY,
  removePod,
  until,
  type World,
} from './world.ts';

const IMAGE = `${REGISTRY}/e2e/learn:1`;
const MIB = 2 ** 20;
const LABEL = 'app.kubernetes.io/name=slipstream-learn';

let world: World;

before(async () => {
  world = await openWorld();
  await pushImage();
  await accelerate(world, 'learn', IMAGE);
  await createPod(world, 'learner', {
    image: IMAGE,
    command: ['/bin/sh', '-c', 'cat /data/second /data/first >/dev/null; echo done; exec sleep 3600'],
  });
  await until(
    'the Pod has read',
    async () => (await world.client.podLogs({ namespace, name: 'learner' })) === 'done\n',
  );
});

after(async () => {
  await removePod(world, 'learner');
  await world.client.close();
});

/** BusyBox with two files that the Pod reads and one that it does not, which is most of the image. */
async function pushImage(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-e2e-'));
  try {
    await mkdir(join(folder, 'data'));
    for (const [name, size] of Object.entries({ first: 1, second: 1, unread: 16 })) {
      await writeFile(join(folder, 'data', name), noise(size * MIB, name));
    }
    const tar = join(folder, 'data.tar');
    await execute('tar', ['--create', '--file', tar, '--directory', folder, 'data']);
    await pushRootfs(IMAGE, [await busyboxRootfs(), tar], { env: { PATH: '/bin' } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function learn(...args: string[]): Promise<Ran> {
  const env = { KUBECONFIG: process.env['KUBECONFIG'] ?? '', PATH: process.env['PATH'] ?? '' };
  return run(process.execPath, [MAIN, 'learn', ...args, '--namespace', namespace], { env });
}

test('a Pod that has started gives the list of what it read, and the list makes the next artifact', async () => {
  const { code, stdout, stderr } = await learn('pod/learner', '--output', 'yaml');
  assert.equal(code, 0, stderr);
  const patch = load(stdout) as { spec: { conversion: { prefetchPaths: string[] } } };
  assert.deepEqual(patch.spec.conversion.prefetchPaths, ['/bin/busybox', '/data/second', '/data/first']);
  assert.match(stdout, /kubectl patch acceleratedimages learn --namespace default /);

  const before = await ready(world, 'learn');
  const ref = { namespace, name: 'learn' };
  await world.client.patch(acceleratedImages, ref, patch, 'application/merge-patch+json');
  await until('the image is converted with the list', async () => {
    const { status } = await world.client.get(acceleratedImages, ref);
    return status?.artifact !== undefined && status.artifact.digest !== before.status?.artifact?.digest;
  });
});

test('nothing of the command stays behind in the cluster', async () => {
  const where = { namespace: OPERATOR_NAMESPACE, labelSelector: LABEL };
  await until('its Jobs and Pods are gone', async () => {
    const left = await Promise.all([world.client.list(jobs, where), world.client.list(pods, where)]);
    return left.every(({ items }) => items.length === 0);
  });
});

test('a node without that socket is said so at once, with the option that names another', async () => {
  const { code, stderr } = await learn('pod/learner', '--system-socket', '/run/elsewhere.sock');
  assert.equal(code, 1);
  assert.match(stderr, /node-\d does not have \/run\/elsewhere\.sock: .*name it by --system-socket/);
});

test('a Pod that runs its own image says who tells why', async () => {
  await createPod(world, 'plain', {
    image: BUSYBOX_IMAGE,
    command: ['/bin/sleep', '3600'],
    labels: { 'slipstream.dev/rewrite': 'disabled' },
  });
  const { code, stderr } = await learn('pod/plain');
  await removePod(world, 'plain');
  assert.equal(code, 1);
  assert.match(
    stderr,
    /no container of Pod default\/plain runs an accelerated image: kubectl slipstream explain pod\/plain/,
  );
});
