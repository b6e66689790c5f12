import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import { acceleratedImages, jobs, secrets } from '../../src/kube/resources.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { freePorts } from '../envtest/ports.ts';
import { startDistribution, type Distribution } from '../support/distribution.ts';
import { buildImage, buildTar, file, layerOf, pushImage } from '../support/image-builder.ts';
import { startOperator, type Replica, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

const namespace = 'team-a';
const TOKEN = 'the-token-that-the-registry-has';
const OLD_TOKEN = 'the-token-that-it-had-before';
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };
/** Nobody asks a registry by himself in a test. */
const INTERVAL = '168h';

let directory: string;
/** The real thing, which tells the second replica. */
let distribution: Distribution;
let host: string;
/** One that counts what it is asked. */
let counting: FaultyRegistry;
let operator: RunningOperator;
let second: Replica;
let name: string;
let number = 0;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'notifications-'));
  const [port = 0] = await freePorts(1);
  host = `127.0.0.1:${port}`;
  counting = await startFaultyRegistry();
  operator = await startOperator({
    registries: [host, counting.host].map((each) => ({ host: each, plainHTTP: true })),
    conversion: { image: 'slipstream:test', maxConcurrent: 50, maxConcurrentPerRegistry: 50 },
    notifications: { enabled: true, tokenSecret: 'notification-tokens' },
  });
  await operator.client.create(secrets, {
    metadata: { namespace: 'slipstream-system', name: 'notification-tokens' },
    data: { token: base64(TOKEN), before: base64(OLD_TOKEN) },
  });
  // It holds the Lease before there is another one, so that this one never leads unless it has to.
  await until('the first replica leads', async () => operator.lines.some((line) => line.includes('became leader')));
  second = await operator.join('second');
  await until('both know the token', async () => {
    const statuses = [operator, second].map(async (replica) => (await send({ image: 'nobody:1' }, replica)).status);
    return (await Promise.all(statuses)).every((status) => status === 202);
  });
  distribution = await startDistribution(directory, port, {
    notifications: {
      endpoints: [
        {
          name: 'slipstream',
          url: `http://127.0.0.1:${second.notificationsPort}/notifications`,
          headers: { Authorization: [`Bearer ${TOKEN}`] },
          timeout: '1s',
          threshold: 3,
          backoff: '1s',
        },
      ],
    },
  });
});
after(async () => {
  await distribution?.[Symbol.asyncDispose]();
  await operator?.[Symbol.asyncDispose]();
  await counting?.close();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => {
  name = `web-${(number += 1)}`;
});

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

async function send(
  notification: object | string,
  to: Pick<Replica, 'notificationsPort'> = operator,
  headers: Record<string, string> = AUTHORIZED,
): Promise<{ status: number; outcome: unknown; objects: unknown }> {
  const body = typeof notification === 'string' ? notification : JSON.stringify(notification);
  const answer = await fetch(`http://127.0.0.1:${to.notificationsPort}/notifications`, {
    method: 'POST',
    headers,
    body,
  });
  return { status: answer.status, ...((await answer.json()) as { outcome: unknown; objects: unknown }) };
}

async function current(): Promise<AcceleratedImage> {
  return await operator.client.get(acceleratedImages, { namespace, name });
}

/** Makes an object, and waits until it has said for the first time what its tag means. */
async function follow(image: string): Promise<void> {
  await operator.client.create(acceleratedImages, {
    metadata: { namespace, name },
    spec: { source: { image, interval: INTERVAL } },
  });
  await until(`${name} is being converted`, async () => (await current()).status?.conversion?.phase === 'Running');
}

/** Waits until the object converts what the tag means now; returns its status. */
async function converts(digest: string): Promise<NonNullable<AcceleratedImage['status']>> {
  await until(`${name} converts ${digest}`, async () => {
    const { source, conversion } = (await current()).status ?? {};
    return source?.digest === digest && conversion?.phase === 'Running';
  });
  return (await current()).status ?? {};
}

/** Puts another image under the tag of the registry that counts; returns its digest. */
function move(content: string): string {
  return counting.addImage(name, '1', { layers: [Buffer.from(`${name} ${content}`)] }).digest;
}

/** What the registry was asked about this object's tag. */
function asked(): number {
  return counting.requests.filter(({ path }) => path === `/v2/${name}/manifests/1`).length;
}

async function metric(labels: string, replica: Pick<Replica, 'healthPort'> = operator): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${replica.healthPort}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`slipstream_notifications_total{${labels}}`))
      ?.split(' ')[1] ?? 0,
  );
}

describe('a tag that is pushed', () => {
  test('to a real registry is converted at once, though another replica heard of it than the one that leads', async (t) => {
    const push = async (content: string): Promise<string> => {
      const image = buildImage([layerOf(await buildTar([file('content', content)]))]);
      return await pushImage(host, name, '1', [image]);
    };
    await push('first');
    await follow(`${host}/${name}:1`);
    const before = await metric('form="distribution",outcome="marked"', second);
    const digest = await push('second');
    const pushed = Date.now();
    const { source, notification, conversion } = await converts(digest);
    t.diagnostic(`from the push to the Job: ${Date.parse(conversion?.startedAt ?? '') - pushed} ms`);
    assert.ok(notification !== undefined && source?.notifiedAt === notification.at);
    assert.ok((await metric('form="distribution",outcome="marked"', second)) > before);
    const job = await operator.client.get(jobs, { namespace, name: conversion?.job ?? '' });
    assert.match(JSON.stringify(job.spec), new RegExp(digest));
  });

  const forms: [form: string, notification: (digest: string) => object][] = [
    [
      'Harbor',
      (digest) => ({
        type: 'PUSH_ARTIFACT',
        occur_at: 1_680_502_375,
        event_data: {
          resources: [{ digest, tag: '1', resource_url: `${counting.host}/${name}:1` }],
          repository: { repo_full_name: name },
        },
      }),
    ],
    [
      'Harbor as a CloudEvent',
      (digest) => ({
        specversion: '1.0',
        type: 'harbor.artifact.pushed',
        data: {
          resources: [{ digest, tag: '1', resource_url: `registry.inside:8080/${name}:1` }],
          repository: { repo_full_name: name },
        },
      }),
    ],
    ['anybody', () => ({ image: `${counting.host}/${name}:1` })],
  ];
  for (const [form, notification] of forms) {
    test(`says ${form}, and is converted`, async () => {
      move('first');
      await follow(`${counting.host}/${name}:1`);
      const digest = move('second');
      assert.deepEqual(await send(notification(digest), second), { status: 202, outcome: 'marked', objects: 1 });
      await converts(digest);
    });
  }

  test('is what the registry says that it is, and not what the notification says', async () => {
    move('first');
    await follow(`${counting.host}/${name}:1`);
    const digest = move('second');
    const lie = { image: `${counting.host}/${name}:1`, digest: `sha256:${'0'.repeat(64)}` };
    assert.equal((await send(lie)).outcome, 'marked');
    await converts(digest);
  });

  test('and pushed again and again costs nothing once it is known', async () => {
    const digest = move('first');
    await follow(`${counting.host}/${name}:1`);
    const { metadata } = await current();
    const before = asked();
    for (let times = 0; times < 50; times += 1) {
      assert.equal((await send({ image: `${counting.host}/${name}:1`, digest }, second)).outcome, 'known');
    }
    assert.equal(asked(), before);
    const { status } = await current();
    assert.equal(status?.notification, undefined);
    assert.equal((await current()).metadata.resourceVersion, metadata.resourceVersion);
  });

  test('in a flood is asked about again and again, but far less often than it is said', async () => {
    move('first');
    await follow(`${counting.host}/${name}:1`);
    const before = asked();
    const flood = Array.from({ length: 300 }, (_, index) =>
      send({ image: `${counting.host}/${name}:1` }, index % 2 === 0 ? operator : second),
    );
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    assert.ok(statuses.every((status) => status === 202 || status === 429));
    const digest = move('last');
    await until(
      'the last one is taken',
      async () => (await send({ image: `${counting.host}/${name}:1`, digest })).status === 202,
    );
    await converts(digest);
    assert.ok(asked() - before <= 10, `asked ${asked() - before} times`);
  });

  test('is forgotten by nobody: the mark stays until the registry answers', async () => {
    move('first');
    await follow(`${counting.host}/${name}:1`);
    const digest = move('second');
    counting.fail({ path: new RegExp(`/${name}/manifests`), fault: { answer: 503 } });
    assert.equal((await send({ image: `${counting.host}/${name}:1` })).outcome, 'marked');
    await until('the object says that the registry does not answer', async () => {
      const { conditions = [] } = (await current()).status ?? {};
      return conditions.some(({ reason }) => reason === 'RegistryUnreachable');
    });
    const { source, notification } = (await current()).status ?? {};
    assert.notEqual(source?.notifiedAt, notification?.at);
    counting.recover();
    await converts(digest);
  });
});

describe('who has no token', () => {
  test('is refused a thousand times a second, while those who have one are heard', async (t) => {
    move('first');
    await follow(`${counting.host}/${name}:1`);
    const before = asked();
    const heap = process.memoryUsage().heapUsed;
    const stop = new AbortController();
    const forged = flood(operator.notificationsPort, stop.signal);
    await until('the flood is there', async () => (await metric('form="unknown",outcome="unauthorized"')) > 1000);
    assert.equal(asked(), before);
    const digest = move('second');
    assert.equal((await send({ image: `${counting.host}/${name}:1`, digest })).outcome, 'marked');
    await converts(digest);
    await until('there were enough', async () => (await metric('form="unknown",outcome="unauthorized"')) > 3000);
    stop.abort();
    const { statuses, perSecond } = await forged;
    const grown = Math.round((process.memoryUsage().heapUsed - heap) / 1024 / 1024);
    t.diagnostic(`${Math.round(perSecond)} forged notifications a second; the heap grew by ${grown} MiB`);
    assert.deepEqual([...statuses], [401]);
    assert.ok(grown < 100, `the heap grew by ${grown} MiB`);
    assert.ok((await fetch(`http://127.0.0.1:${operator.healthPort}/readyz`)).ok);
  });

  test('cannot use the old one any more when it is taken out of the Secret', async () => {
    const old = { authorization: `Bearer ${OLD_TOKEN}` };
    assert.equal((await send({ image: 'nobody:1' }, second, old)).status, 202);
    const ref = { namespace: 'slipstream-system', name: 'notification-tokens' };
    await operator.client.patch(secrets, ref, { data: { before: null } }, 'application/merge-patch+json');
    await until(
      'the old token is refused',
      async () => (await send({ image: 'nobody:1' }, second, old)).status === 401,
    );
    assert.equal((await send({ image: 'nobody:1' }, second)).status, 202);
  });
});

test('what is pushed while nobody leads is converted by the next who does', async () => {
  move('first');
  await follow(`${counting.host}/${name}:1`);
  operator.stop();
  const digest = move('second');
  assert.equal((await send({ image: `${counting.host}/${name}:1` }, second)).outcome, 'marked');
  await converts(digest);
  assert.ok(second.lines.some((line) => line.includes('became leader')));
});

/** Sends notifications with a token that is none over eight connections at a time, as fast as they are answered. */
async function flood(port: number, signal: AbortSignal): Promise<{ statuses: Set<number>; perSecond: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const statuses = new Set<number>();
  const body = JSON.stringify({ image: `${counting.host}/${name}:1` });
  const began = performance.now();
  let count = 0;
  const forge = (): Promise<void> =>
    new Promise((done) => {
      const headers = { authorization: `Bearer ${'guess'.repeat(8)}`, 'content-length': body.length };
      const forged = request({ port, host: '127.0.0.1', path: '/notifications', method: 'POST', agent, headers });
      forged.on('response', (answer) => {
        count += 1;
        statuses.add(answer.statusCode ?? 0);
        answer.resume().on('end', done);
      });
      forged.on('error', () => done());
      forged.end(body);
    });
  const lane = async (): Promise<void> => {
    while (!signal.aborted) {
      await forge();
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  agent.destroy();
  return { statuses, perSecond: (count * 1000) / (performance.now() - began) };
}
