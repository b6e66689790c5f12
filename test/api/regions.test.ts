import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import type { Condition } from '../../src/api/v1alpha1/meta.ts';
import { acceleratedImages, jobs, type Job, type Pod } from '../../src/kube/resources.ts';
import { decide } from '../../src/rewriting/decide.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { freePorts } from '../envtest/ports.ts';
import { startDistribution, type Distribution } from '../support/distribution.ts';
import { runJobs } from '../support/jobs.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { startRegistryProxy, type RegistryProxy } from '../support/registry-proxy.ts';
import { capableNode, indexOf, webPod } from '../support/rewriting.ts';
import { until } from '../support/until.ts';

const namespace = 'team-a';
/** Bytes per second of the slow registry: the artifact takes it about ten seconds. */
const SLOW = 200 * 1024;
const REGION = 'topology.kubernetes.io/region';

let primary: FaultyRegistry;
let eu: FaultyRegistry;
let liar: FaultyRegistry;
let down: string;
let folder: string;
let slow: RegistryProxy;
let dying: RegistryProxy;
/** The registries behind these two. */
let behind: Distribution[];
/** Ends the registry behind `dying` at the first piece of an upload, if there is somebody to tell. */
let onDeath: (() => void) | undefined;
let operator: RunningOperator;
let name: string;
let number = 0;

before(async () => {
  [primary, eu, liar] = await Promise.all([startFaultyRegistry(), startFaultyRegistry(), startFaultyRegistry()]);
  down = `127.0.0.1:${(await freePorts(1))[0]}`;
  folder = await mkdtemp(join(tmpdir(), 'regions-test-'));
  behind = await Promise.all(
    ['slow', 'dying'].map(async (each) => {
      await mkdir(join(folder, each));
      return await startDistribution(join(folder, each));
    }),
  );
  slow = await startRegistryProxy(behind[0]?.url ?? '', { bytesPerSecond: SLOW });
  dying = await startRegistryProxy(behind[1]?.url ?? '', { onUpload: () => onDeath?.() });
  const hosts = [primary.host, eu.host, liar.host, down, slow.host, dying.host];
  operator = await startOperator({
    registries: hosts.map((host) => ({ host, plainHTTP: true })),
    conversion: { image: 'slipstream:test', maxConcurrent: 8, maxConcurrentPerRegistry: 8 },
  });
});
after(async () => {
  await operator?.[Symbol.asyncDispose]();
  await Promise.all([primary, eu, liar].map((registry) => registry?.close()));
  await Promise.all([slow, dying].map((proxy) => proxy?.[Symbol.asyncDispose]()));
  await Promise.all((behind ?? []).map((registry) => registry[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  name = `web-${(number += 1)}`;
  eu.recover();
  liar.recover();
});

async function accelerate(replicas: object[], source: object = {}): Promise<void> {
  primary.addImage(name, '1', { layers: [Buffer.from(`source of ${name}`)] });
  await operator.client.create(acceleratedImages, {
    metadata: { namespace, name },
    spec: { source: { image: `${primary.host}/${name}:1`, ...source }, replicas },
  });
}

async function current(): Promise<AcceleratedImage> {
  return await operator.client.get(acceleratedImages, { namespace, name });
}

async function conditionOf(type: string): Promise<Condition | undefined> {
  return (await current()).status?.conditions?.find((condition) => condition.type === type);
}

/** Lets Jobs run until the condition Replicated says this, and gives its message. */
async function replicated(expected: string): Promise<string> {
  let message = '';
  await until(`${name} is ${expected}`, async () => {
    await runJobs(operator.client, namespace, [primary]);
    const condition = await conditionOf('Replicated');
    message = condition?.message ?? '';
    assert.equal(`${condition?.status} ${condition?.reason}`, expected, message);
    return true;
  });
  return message;
}

/** Lets Jobs run, those that are made meanwhile beside those that go on. */
async function runUntil(signal: AbortSignal): Promise<void> {
  const seen = new Set<string>();
  const rounds: Promise<unknown>[] = [];
  while (!signal.aborted) {
    const { items } = await operator.client.list(jobs, { namespace });
    const fresh = items.filter(({ metadata, status }) => !seen.has(metadata.name) && status?.conditions === undefined);
    for (const { metadata } of fresh) {
      seen.add(metadata.name);
      rounds.push(runJobs(operator.client, namespace, [primary], '', metadata.name));
    }
    await delay(50);
  }
  await Promise.all(rounds);
}

async function statesOf(): Promise<Record<string, string>> {
  const { status } = await current();
  return Object.fromEntries(
    (status?.replicas ?? []).map(({ region, state, reason }) => [region, [state, reason].filter(Boolean).join(' ')]),
  );
}

/** What a new Pod of the image in a region would run, without its digest, or why it would be left. */
async function runsIn(region: string): Promise<string> {
  const node = capableNode('n1', { metadata: { labels: { [REGION]: region } } });
  const index = indexOf({ images: [await current()], nodes: [node] });
  const pod: Pod = webPod(`${primary.host}/${name}:1`);
  const { rewrites, reason } = decide(pod, namespace, index, new Date());
  return rewrites[0]?.image.split('@')[0] ?? reason;
}

async function copyJobs(): Promise<Job[]> {
  const { items } = await operator.client.list(jobs, { namespace });
  return items.filter(({ metadata, spec }) => {
    return metadata.name.startsWith('slipstream-replicate-') && JSON.stringify(spec).includes(`/${name}`);
  });
}

describe('the copies of an AcceleratedImage', () => {
  test('are made, verified and used, each by the Pods of its region', async () => {
    await accelerate([
      { region: 'eu', repository: `${eu.host}/copies/${name}` },
      { region: 'near', repository: `${primary.host}/near/${name}`, source: true },
    ]);
    await replicated('True Replicated');
    assert.deepEqual(await statesOf(), { eu: 'Ready', near: 'Ready' });
    const { status } = await current();
    assert.equal(status?.summary?.copies, '2/2');
    assert.equal(eu.content.manifest(`copies/${name}`, '1-nydus')?.digest, status?.artifact?.digest);
    assert.equal(primary.content.manifest(`near/${name}`, '1')?.digest, status?.source?.digest, 'the source, too');
    assert.equal(await runsIn('eu'), `${eu.host}/copies/${name}:1-nydus`);
    assert.equal(await runsIn('near'), `${primary.host}/near/${name}:1-nydus`);
    assert.equal(await runsIn('elsewhere'), `${primary.host}/${name}:1-nydus`);
  });

  test('to three registries, one of them slow and one that dies in the middle and comes back, do not wait for each other', async () => {
    const { promise: died, resolve } = Promise.withResolvers<void>();
    onDeath = () => {
      onDeath = undefined;
      void behind[1]?.[Symbol.asyncDispose]().then(() => resolve());
    };
    await accelerate([
      { region: 'eu', repository: `${eu.host}/copies/${name}` },
      { region: 'slow', repository: `${slow.host}/copies/${name}` },
      { region: 'dying', repository: `${dying.host}/copies/${name}` },
    ]);
    const stop = new AbortController();
    const running = runUntil(stop.signal);
    await until('the healthy one is Ready', async () => (await statesOf())['eu'] === 'Ready');
    assert.equal((await conditionOf('Replicated'))?.status, 'False');
    assert.deepEqual(
      [await runsIn('eu'), await runsIn('slow'), await runsIn('dying')],
      [`${eu.host}/copies/${name}:1-nydus`, 'ReplicaNotReady', 'ReplicaNotReady'],
    );
    await died;
    const port = Number(new URL(behind[1]?.url ?? '').port);
    behind[1] = await startDistribution(join(folder, 'dying'), port);
    await until('all are', async () => Object.values(await statesOf()).every((state) => state === 'Ready'));
    stop.abort();
    await running;
    const { artifact } = (await current()).status ?? {};
    for (const { host } of [slow, dying]) {
      const answer = await fetch(`http://${host}/v2/copies/${name}/manifests/1-nydus`, {
        method: 'HEAD',
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      assert.equal(answer.headers.get('docker-content-digest'), artifact?.digest);
    }
    assert.equal(await runsIn('dying'), `${dying.host}/copies/${name}:1-nydus`);
  });

  test('are Jobs that mount the Secrets of their own registries, and hold no right in the cluster', async () => {
    await accelerate([{ region: 'eu', repository: `${eu.host}/copies/${name}`, pushSecretRef: { name: 'eu-push' } }]);
    await until('the Job of the copy is made', async () => {
      await runJobs(operator.client, namespace, [primary]).catch(() => undefined);
      return (await copyJobs()).length === 1;
    });
    const [job] = await copyJobs();
    const spec = job?.spec?.template.spec;
    assert.deepEqual(
      spec?.volumes?.map(({ name: role, secret }) => [role, secret?.secretName]),
      [['replica', 'eu-push']],
    );
    assert.ok(spec?.containers[0]?.args?.includes('--replica-config=/var/run/slipstream/replica/config.json'));
    assert.equal(spec?.automountServiceAccountToken, false);
    assert.equal(job?.metadata.labels?.['slipstream.dev/conversion'], undefined);
  });

  test('that a registry lies about are VerificationFailed and never used; the object stays Ready, and so do the others', async () => {
    // It says that it has the manifest, under its digest, and hands out another one.
    liar.fail({ method: 'GET', path: /\/manifests\/sha256/, fault: 'corrupt' });
    await accelerate([
      { region: 'eu', repository: `${eu.host}/copies/${name}` },
      { region: 'liar', repository: `${liar.host}/copies/${name}` },
    ]);
    assert.match(await replicated('False ReplicationFailed'), /^liar: .*digest/);
    await until('the honest one is Ready', async () => {
      await runJobs(operator.client, namespace, [primary]);
      return (await statesOf())['eu'] === 'Ready';
    });
    assert.deepEqual(await statesOf(), { eu: 'Ready', liar: 'Failed VerificationFailed' });
    assert.equal((await conditionOf('Ready'))?.status, 'True');
    assert.equal(await runsIn('liar'), 'ReplicaNotReady');
    assert.equal(await runsIn('eu'), `${eu.host}/copies/${name}:1-nydus`);
    assert.equal((await current()).status?.summary?.copies, '1/2');
  });

  test('whose small blobs are not what their digests say are VerificationFailed, however big the registry says they are', async () => {
    liar.fail({ method: 'GET', path: /\/blobs\/sha256/, fault: 'corrupt' });
    await accelerate([{ region: 'liar', repository: `${liar.host}/copies/${name}` }]);
    await replicated('False ReplicationFailed');
    assert.deepEqual(await statesOf(), { liar: 'Failed VerificationFailed' });
  });

  test('that a real registry hands out otherwise than it took them, as its disk was changed, are VerificationFailed', async () => {
    const region = { region: 'rotten', repository: `${dying.host}/copies/${name}` };
    await accelerate([region]);
    await replicated('True Replicated');
    const { digest = '' } = (await current()).status?.artifact ?? {};
    const hex = digest.slice('sha256:'.length);
    const stored = join(folder, 'dying/registry/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    const manifest = await readFile(stored, 'utf8');
    await writeFile(
      stored,
      manifest.replace(/(?<="size":)\d/, (figure) => (figure === '1' ? '2' : '1')),
    );

    // Somebody else's object for the same copy finds it there, and sends nothing.
    await operator.client.delete(acceleratedImages, { namespace, name });
    await accelerate([region]);
    assert.match(await replicated('False ReplicationFailed'), /^rotten: .*digest/);
    assert.deepEqual(await statesOf(), { rotten: 'Failed VerificationFailed' });
    assert.equal(await runsIn('rotten'), 'ReplicaNotReady');
  });

  test('to a registry that is down fail alone, with the reason and the time of the next attempt', async () => {
    await accelerate([
      { region: 'down', repository: `${down}/copies/${name}` },
      { region: 'eu', repository: `${eu.host}/copies/${name}` },
    ]);
    await replicated('False ReplicationFailed');
    await until('the other is Ready', async () => {
      await runJobs(operator.client, namespace, [primary]);
      return (await statesOf())['eu'] === 'Ready';
    });
    const { status } = await current();
    const failed = status?.replicas?.find(({ region }) => region === 'down');
    assert.deepEqual([failed?.state, failed?.reason, failed?.failures], ['Failed', 'RegistryUnreachable', 1]);
    assert.ok(failed?.retryAt !== undefined && Date.parse(failed.retryAt) > Date.now());
    assert.equal((await conditionOf('Ready'))?.status, 'True');
  });

  test('that failed are made again by themselves, by a Job of their own', async () => {
    eu.fail({ path: new RegExp(name), fault: { answer: 503 } });
    await accelerate([{ region: 'eu', repository: `${eu.host}/copies/${name}` }]);
    await replicated('False ReplicationFailed');
    eu.recover();
    await replicated('True Replicated');
    const names = (await copyJobs()).map(({ metadata }) => metadata.name).toSorted();
    assert.deepEqual(names, [names[0], `${names[0]}-1`]);
    assert.equal((await current()).status?.replicas?.[0]?.failures, undefined);
  });

  test('to a place that is none say InvalidSpec, and which', async () => {
    await accelerate([{ region: 'eu', repository: `${eu.host}/UPPER` }]);
    assert.match(await replicated('False ReplicationFailed'), /UPPER.*lower case/);
    assert.deepEqual(await statesOf(), { eu: 'Failed InvalidSpec' });
  });

  test('are stale at once when the tag moves, and are made again', async () => {
    await accelerate([{ region: 'eu', repository: `${eu.host}/copies/${name}` }], { interval: '10s' });
    await replicated('True Replicated');
    const before = (await current()).status?.artifact?.digest;
    primary.addImage(name, '1', { layers: [Buffer.from('moved')] });
    await until('the new artifact is Ready', async () => {
      await runJobs(operator.client, namespace, [primary], 'convert');
      const { status } = await current();
      return status?.artifact?.digest !== before && (await conditionOf('Ready'))?.status === 'True';
    });
    assert.deepEqual(await statesOf(), { eu: 'Copying' });
    assert.equal((await conditionOf('Replicated'))?.reason, 'ReplicationPending');
    assert.equal(await runsIn('eu'), 'ReplicaNotReady');

    await replicated('True Replicated');
    const { status } = await current();
    assert.equal(eu.content.manifest(`copies/${name}`, '1-nydus')?.digest, status?.artifact?.digest);
    assert.equal(await runsIn('eu'), `${eu.host}/copies/${name}:1-nydus`);
  });

  test('that vanish from their registry are found out about, and are made again', async () => {
    await accelerate([{ region: 'eu', repository: `${eu.host}/copies/${name}` }], { interval: '10s' });
    await replicated('True Replicated');
    eu.content.deleteManifest(`copies/${name}`, (await current()).status?.artifact?.digest ?? '');
    await replicated('False ReplicationFailed');
    assert.deepEqual(await statesOf(), { eu: 'Failed ArtifactMissing' });
    assert.equal(await runsIn('eu'), 'ReplicaNotReady');
  });

  test('are forgotten with the region', async () => {
    await accelerate([{ region: 'eu', repository: `${eu.host}/copies/${name}` }]);
    await replicated('True Replicated');
    const type = 'application/merge-patch+json';
    await operator.client.patch(acceleratedImages, { namespace, name }, { spec: { replicas: null } }, type);
    await until('nothing is said of copies', async () => (await conditionOf('Replicated')) === undefined);
    assert.equal((await current()).status?.replicas, undefined);
    assert.equal(await runsIn('eu'), `${primary.host}/${name}:1-nydus`);
  });
});
