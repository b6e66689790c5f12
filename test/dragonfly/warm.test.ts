import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { WarmImage } from '../../src/dragonfly/provider.ts';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { acceleratedImages, namespaces, nodes, runtimeClasses } from '../../src/kube/resources.ts';
import { startFaultyRegistry } from '../doubles/faulty-registry.ts';
import { objects, only, RELEASE, template, VALUES } from '../api/chart.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { MAIN, run, type Ran } from '../support/cli.ts';
import { CRDS } from '../support/operator.ts';
import { capableNode, CONFIG, readyImage, runtimeClass } from '../support/rewriting.ts';
import { until } from '../support/until.ts';
import { PIECE, startWorld, type World } from './world.ts';

const MERGE = 'application/merge-patch+json';
const STATUS = [MERGE, { subresource: 'status' }] as const;

/** Three pieces, two pieces, one piece. */
const LAYERS = [2.5 * PIECE, PIECE + 1, 1000];

describe('slipstream warm with real seed peers and a real registry', () => {
  let world: World;
  let directory: string;

  before(async () => {
    world = await startWorld(2);
    directory = await mkdtemp(join(tmpdir(), 'slipstream-warm-'));
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  function seedFlags(): string[] {
    return world.seeds.flatMap(({ url }) => ['--seed', url]);
  }

  function warm(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
    return run(process.execPath, [MAIN, 'warm', ...args], { env: { HOME: directory, ...env } });
  }

  /** Reads all of an image from a seed, as a node would; returns what that cost the origin in bytes. */
  async function costOfPull(image: WarmImage): Promise<number> {
    const before = world.origin.bytes();
    for (const seed of world.seeds) {
      for (const blob of image.blobs) {
        assert.equal(await world.pull(seed, blob), blob.digest);
      }
    }
    return world.origin.bytes() - before;
  }

  test('what it calls warm is pulled from every seed peer without a byte from the registry', async () => {
    const image = await world.pushImage(LAYERS);
    const { code, stdout, stderr } = await warm([nameOf(image), '--plain-http', ...seedFlags()]);
    assert.deepEqual([code, stderr], [0, '']);
    for (const { url } of world.seeds) {
      assert.match(stdout, new RegExp(`${new URL(url).host} +4/4 +14.0 MiB of 14.0 MiB +warm\n`));
    }
    assert.equal(await costOfPull(image), 0);
  });

  test('--verify-only says what is there, fetches no image, and fails where something is missing', async () => {
    const image = await world.pushImage(LAYERS);
    const args = [nameOf(image), '--plain-http', ...seedFlags(), '--verify-only'];
    const cold = await warm([...args, '--output', 'json']);
    assert.equal(cold.code, 1);
    assert.match(
      cold.stderr,
      /^slipstream: .*: not warm on 2 of 2 seed peers: .* does not have all of .*; run it again/,
    );
    const { warm: isWarm, images } = JSON.parse(cold.stdout) as { warm: boolean; images: { seeds: object[] }[] };
    assert.equal(isWarm, false);
    assert.equal(images[0]?.seeds.length, 2);
    await warm([nameOf(image), '--plain-http', ...seedFlags()]);
    assert.equal((await warm(args)).code, 0);
  });

  test('a seed peer that is down is named, and the others are warmed', async () => {
    const image = await world.pushImage(LAYERS);
    const [first, second] = world.seeds;
    assert.ok(first !== undefined && second !== undefined);
    await first.kill();
    try {
      const { code, stdout, stderr } = await warm([nameOf(image), '--plain-http', ...seedFlags()]);
      assert.equal(code, 1);
      assert.match(stdout, new RegExp(`${new URL(first.url).host} +0/4 .*SeedUnreachable`));
      assert.match(stdout, new RegExp(`${new URL(second.url).host} +4/4 .* warm\n`));
      assert.match(stderr, /not warm on 1 of 2 seed peers: .* check that the seed peer runs/);
    } finally {
      await first.restart();
    }
  });

  test('seed peers that file blobs under other ids are no use, and it is said what to set', async () => {
    await using misconfigured = await startWorld(1, { enableTaskIDBasedBlobDigest: false });
    const image = await misconfigured.pushImage([1000]);
    const [seed] = misconfigured.seeds;
    const { code, stderr } = await warm([nameOf(image), '--plain-http', '--seed', seed?.url ?? '']);
    assert.equal(code, 1);
    assert.match(stderr, /enableTaskIDBasedBlobDigest: true/);
  });

  test('a registry that lets nobody in without credentials gets those of the Docker configuration', async () => {
    const registry = await startFaultyRegistry();
    try {
      registry.addImage('web', '1', { layers: [Buffer.alloc(1000, 'x')] });
      registry.requireAuthorization({ scheme: 'Bearer', users: { anna: 'secret' } });
      const args = [`${registry.host}/web:1`, '--plain-http', ...seedFlags()];
      const refused = await warm(args);
      assert.equal(refused.code, 1);
      assert.match(
        refused.stderr,
        /refused an anonymous client \(401\).*taken from .*\/\.docker\/config\.json: log in there/,
      );
      const auth = Buffer.from('anna:secret').toString('base64');
      await writeFile(join(directory, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
      const { code, stderr } = await warm(args, { DOCKER_CONFIG: directory });
      assert.deepEqual([code, stderr], [0, '']);
    } finally {
      await registry.close();
    }
  });

  test('an image that is not there, or not for the platform, is an error that says so', async () => {
    const registry = await startFaultyRegistry();
    try {
      registry.addImage('web', '1', { platforms: ['linux/amd64', 'linux/arm64'] });
      const unknown = await warm([`${registry.host}/web:2`, '--plain-http', ...seedFlags()]);
      assert.equal(unknown.code, 1);
      assert.match(unknown.stderr, /web:2: .* answered 404 .*Check its name, and that it was pushed/);
      const args = [`${registry.host}/web:1`, '--plain-http', ...seedFlags(), '--platform'];
      const missing = await warm([...args, 'linux/s390x']);
      assert.equal(missing.code, 1);
      assert.match(missing.stderr, /offers none of linux\/s390x, but linux\/amd64, linux\/arm64\n$/);
    } finally {
      await registry.close();
    }
  });

  test('Ctrl-C ends it at once, and says how far it was', async () => {
    const image = await world.pushImage(LAYERS);
    const requests = world.origin.requests();
    const release = world.origin.hold();
    try {
      const args = [MAIN, 'warm', nameOf(image), '--plain-http', ...seedFlags()];
      const command = spawn(process.execPath, args, { env: { HOME: directory } });
      const ended = once(command, 'exit');
      // Behind the manifest, that is: a seed asks for a blob.
      await until('a seed asks for a blob', () => Promise.resolve(world.origin.requests() - requests >= 3));
      command.kill('SIGINT');
      assert.match(
        await text(command.stderr),
        /^slipstream: stopped by SIGINT; 0 B of 14.0 MiB, 0 of 4 blobs .*run it again/,
      );
      assert.deepEqual(await ended, [1, null]);
    } finally {
      release();
    }
  });

  test('what makes no sense is refused with what to type, and exit code 2', async () => {
    const image = 'registry.test/web:1';
    const seed = ['--seed', 'http://127.0.0.1:4001'];
    const config = join(directory, 'two.yaml');
    const provider = (name: string): string => `{name: ${name}, type: seedPeers, endpoints: ['http://127.0.0.1:1']}`;
    await writeFile(config, `conversion: {image: none}\nproviders: [${provider('east')}, ${provider('west')}]\n`);
    const errors: [error: RegExp, args: readonly string[]][] = [
      [/missing required argument 'image'/, []],
      [/say where the seed peers are: --seed http:\/\/HOST:4001 for each, or --config/, [image]],
      [/"UPPER" is not an image reference/, ['UPPER', ...seed]],
      [/--seed 10\.0\.0\.7 is no URL/, [image, '--seed', '10.0.0.7']],
      [/--platform arm64 is no platform/, [image, ...seed, '--platform', 'arm64']],
      [/--timeout soon is no duration/, [image, ...seed, '--timeout', 'soon']],
      [/give one of them/, [image, ...seed, '--provider', 'x']],
      [/say by --provider which one to use: east, west/, [image, '--config', config]],
      [/has no provider north, only: east, west/, [image, '--config', config, '--provider', 'north']],
    ];
    for (const [error, args] of errors) {
      const { code, stdout, stderr } = await warm(args);
      assert.match(stderr, error);
      assert.deepEqual([code, stdout], [2, '']);
    }
  });
});

describe('slipstream warm in a cluster', () => {
  let world: World;
  let envtest: Envtest;
  let client: KubeClient;
  let directory: string;
  let artifact: WarmImage;
  let config: string;
  let source: string;

  before(async () => {
    world = await startWorld(1);
    directory = await mkdtemp(join(tmpdir(), 'slipstream-warm-'));
    envtest = await startEnvtest({ crds: CRDS });
    client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'warm-test' });
    artifact = await world.pushImage([1000]);
    const { host } = new URL(world.origin.url);
    source = `${host}/web/shop:1`;
    for (const name of ['team-a', CONFIG.operatorNamespace]) {
      await client.create(namespaces, { metadata: { name } });
    }
    await client.create(runtimeClasses, runtimeClass());
    const { metadata, status } = capableNode('node-1');
    await client.create(nodes, { metadata: { name: metadata.name, labels: metadata.labels } });
    await client.patch(nodes, { name: metadata.name }, { status }, ...STATUS);
    // The API server taints a new node; elsewhere a controller takes that off when the node is Ready.
    await client.patch(nodes, { name: metadata.name }, { spec: { taints: null } }, MERGE);
    await accelerate(`${source}-nydus@${digestOf(artifact)}`);
    config = join(directory, 'config.yaml');
    const endpoints = world.seeds.map(({ url }) => url);
    const registries = [{ host, plainHTTP: true }];
    const providers = [{ name: 'default', type: 'seedPeers', endpoints }];
    await writeFile(config, JSON.stringify({ conversion: { image: 'none' }, registries, providers }));
  });
  after(async () => {
    await client?.close();
    await envtest?.stop();
    await world?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  async function accelerate(image: string): Promise<void> {
    const ref = { name: 'web', namespace: 'team-a' };
    await client.create(acceleratedImages, { metadata: ref, spec: { source: { image: source } } });
    const made = { image, digest: image.slice(image.indexOf('@') + 1) };
    const resolvedAt = new Date().toISOString();
    const { status } = readyImage('web', source, { status: { source: { resolvedAt }, artifact: made } });
    await client.patch(acceleratedImages, ref, { status }, ...STATUS);
  }

  /** A kubeconfig with what the chart lets the operator do, as who runs the command in its Pod has it. */
  async function operatorRights(): Promise<string> {
    const name = 'operator';
    const rendered = objects(await template(VALUES.small)).filter(({ metadata }) => metadata.name === RELEASE);
    const { rules } = only(rendered, 'ClusterRole');
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const apiGroup = 'rbac.authorization.k8s.io';
    await client.raw('POST', `${rbac}/clusterroles`, { body: { metadata: { name }, rules } });
    const roleRef = { apiGroup, kind: 'ClusterRole', name };
    const subjects = [{ apiGroup, kind: 'User', name }];
    await client.raw('POST', `${rbac}/clusterrolebindings`, { body: { metadata: { name }, roleRef, subjects } });
    return envtest.kubeconfigFor(name);
  }

  test("in the operator's Pod it warms, with the operator's rights, what new Pods would run", async () => {
    const env = { KUBECONFIG: await operatorRights(), SLIPSTREAM_CONFIG: config, HOME: directory };
    const args = [MAIN, 'warm', source, '--namespace', 'team-a'];
    const { code, stdout, stderr } = await run(process.execPath, args, { env });
    assert.match(stderr, /^New Pods run what AcceleratedImage team-a\/web has made of it: .*-nydus@sha256:.*\n$/);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`linux/amd64, ${digestOf(artifact)}`));
    const before = world.origin.bytes();
    for (const blob of artifact.blobs) {
      for (const seed of world.seeds) {
        assert.equal(await world.pull(seed, blob), blob.digest);
      }
    }
    assert.equal(world.origin.bytes() - before, 0);
  });

  test('--as-is takes what was named, and not what was made of it', async () => {
    const env = { KUBECONFIG: envtest.kubeconfig, HOME: directory };
    const args = [MAIN, 'warm', source, '--namespace', 'team-a', '--config', config, '--as-is'];
    const { code, stderr } = await run(process.execPath, args, { env });
    assert.equal(code, 1);
    // The test pushes nothing under the tag.
    assert.match(stderr, /^slipstream: \S+\/web\/shop:1: .* answered 404/);
  });
});

function digestOf({ manifestUrl }: WarmImage): string {
  return manifestUrl.slice(manifestUrl.lastIndexOf('/') + 1);
}

/** An image by its digest, as Pods name it. */
function nameOf({ manifestUrl }: WarmImage): string {
  const { host, pathname } = new URL(manifestUrl);
  return `${host}${pathname.replace(/^\/v2/, '').replace('/manifests/', '@')}`;
}
