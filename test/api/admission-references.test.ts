import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startAdmission, type AdmissionCluster } from '../support/admission/cluster.ts';
import { ARTIFACT_DIGEST, OTHER_DIGEST, SOURCE_DIGEST } from '../support/rewriting.ts';

let cluster: AdmissionCluster;

before(async () => {
  cluster = await startAdmission();
  await cluster.addImage('python', 'python');
  await cluster.addImage('redis', 'docker.io/bitnami/redis:7');
  await cluster.addImage('port', 'localhost:5000/team/web:1');
  await cluster.addImage('host', 'registry.test/web:1');
  await cluster.addImage('second', 'registry.test/web:2');
  await cluster.addImage('ipv6', '[fd00::a]:5000/web:1');
  await cluster.addImage('moved', 'registry.test/moved:1', { status: { source: { digest: OTHER_DIGEST } } });
});
after(() => cluster?.[Symbol.asyncDispose]());

/** What the containers of a new Pod run, and why. */
async function admit(...images: string[]): Promise<{ images: unknown; reason: string | undefined }> {
  const containers = images.map((image, index) => ({ name: `c${index}`, image }));
  const { pod, calls } = await cluster.create({ spec: { containers } }, { dryRun: true });
  return { images: pod.spec?.containers.map(({ image }) => image), reason: calls[0]?.reason };
}

const artifact = (name: string): string => `${name}-nydus@${ARTIFACT_DIGEST}`;

describe('an image is the same one however a Pod writes it', () => {
  const PYTHON = artifact('python');
  const REDIS = artifact('docker.io/bitnami/redis:7');
  const WEB = artifact('registry.test/web:1');
  const cases: [written: string, runs: string][] = [
    ['python', PYTHON],
    ['python:latest', PYTHON],
    ['library/python', PYTHON],
    ['docker.io/python', PYTHON],
    ['docker.io/library/python:latest', PYTHON],
    ['index.docker.io/python:latest', PYTHON],
    ['index.docker.io/library/python', PYTHON],
    [`python@${SOURCE_DIGEST}`, PYTHON],
    [`python:3.12@${SOURCE_DIGEST}`, PYTHON],
    [`index.docker.io/library/python@${SOURCE_DIGEST}`, PYTHON],
    ['bitnami/redis:7', REDIS],
    ['index.docker.io/bitnami/redis:7', REDIS],
    ['localhost:5000/team/web:1', artifact('localhost:5000/team/web:1')],
    ['LOCALHOST:5000/team/web:1', artifact('localhost:5000/team/web:1')],
    ['registry.test/web:1', WEB],
    ['Registry.TEST/web:1', WEB],
    [`registry.test/web:1@${SOURCE_DIGEST}`, WEB],
    ['[fd00::a]:5000/web:1', artifact('[fd00::a]:5000/web:1')],
    ['[FD00::A]:5000/web:1', artifact('[fd00::a]:5000/web:1')],
  ];
  for (const [written, runs] of cases) {
    test(written, async () => {
      assert.deepEqual(await admit(written), { images: [runs], reason: 'Rewritten' });
    });
  }
});

describe('another image stays as it is', () => {
  const cases: [written: string, reason: string][] = [
    // Tags are told apart by case.
    ['registry.test/web:V1', 'NoAcceleratedImage'],
    ['registry.test/web', 'NoAcceleratedImage'],
    ['registry.test:443/web:1', 'NoAcceleratedImage'],
    ['registry.test/team/web:1', 'NoAcceleratedImage'],
    ['registry-1.docker.io/library/python:latest', 'NoAcceleratedImage'],
    ['localhost/team/web:1', 'NoAcceleratedImage'],
    [`registry.test/web@${OTHER_DIGEST}`, 'NoAcceleratedImage'],
    [`registry.test/web@sha512:${'a'.repeat(128)}`, 'NoAcceleratedImage'],
    [`registry.test/web:1@${OTHER_DIGEST}`, 'DigestDiffers'],
    // Images that no node can pull: the kubelet says so, not this webhook.
    ['registry.test/Web:1', 'NoAcceleratedImage'],
    ['LOCALHOST/team/web:1', 'NoAcceleratedImage'],
    ['registry.test/web:1@sha256:abc', 'NoAcceleratedImage'],
    ['not an image', 'NoAcceleratedImage'],
    ['registry.test/web:', 'NoAcceleratedImage'],
    ['❄️', 'NoAcceleratedImage'],
  ];
  for (const [written, reason] of cases) {
    test(`${written}: ${reason}`, async () => {
      assert.deepEqual(await admit(written), { images: [written], reason });
    });
  }
});

test('two tags of one repository are two images, in one Pod too', async () => {
  const { images } = await admit('registry.test/web:1', 'registry.test/web:2', 'registry.test/web:1');
  const [one, two] = [artifact('registry.test/web:1'), artifact('registry.test/web:2')];
  assert.deepEqual(images, [one, two, one]);
});

describe('of a tag that has moved since the conversion', () => {
  test('a Pod that names the tag gets what it means now, unaccelerated', async () => {
    const image = 'registry.test/moved:1';
    assert.deepEqual(await admit(image), { images: [image], reason: 'ArtifactOutdated' });
  });

  test('a Pod that pins the digest that was converted is accelerated', async () => {
    const { images } = await admit(`registry.test/moved:1@${SOURCE_DIGEST}`, `registry.test/moved@${SOURCE_DIGEST}`);
    assert.deepEqual(images, Array(2).fill(artifact('registry.test/moved:1')));
  });

  test('a Pod that pins the new digest waits for its artifact', async () => {
    const image = `registry.test/moved:1@${OTHER_DIGEST}`;
    assert.deepEqual(await admit(image), { images: [image], reason: 'ArtifactOutdated' });
  });
});
