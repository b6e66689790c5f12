import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { tokensOf } from '../../notifications/tokens.ts';
import { systemClock, type Clock } from '../../runtime/clock.ts';
import { notificationMetrics } from './metrics.ts';
import type { Receive } from './receive.ts';
import { BODY_LIMIT, createNotificationServer } from './server.ts';

const TOKEN = 'a-token-of-twenty-odd-characters';
const GOOD = { authorization: `Bearer ${TOKEN}` };

interface Fixture {
  url: string;
  port: number;
  /** Bodies that got through. */
  bodies: string[];
  /** What was counted: `form outcome` → how many. */
  counts: () => Promise<Record<string, number>>;
  stop: () => void;
  ended: Promise<void>;
}

async function start(
  t: TestContext,
  { receive, clock = systemClock }: { receive?: Receive; clock?: Clock } = {},
): Promise<Fixture> {
  const registry = new Registry();
  const bodies: string[] = [];
  const tokens = tokensOf({ token: Buffer.from(TOKEN).toString('base64') });
  const server = createNotificationServer({
    async receive(body) {
      bodies.push(body);
      return (await receive?.(body)) ?? { form: 'generic', outcome: 'marked', objects: 1 };
    },
    tokens: () => tokens,
    metrics: notificationMetrics(registry),
    clock,
    log: pino({ level: 'silent' }),
    host: '127.0.0.1',
    port: 0,
  });
  const stop = new AbortController();
  const ended = server.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await ended;
  });
  await server.ready(stop.signal);
  const { port = 0 } = server.address() ?? {};
  return {
    url: `http://127.0.0.1:${port}/notifications`,
    port,
    bodies,
    async counts() {
      const [metric] = await registry.getMetricsAsJSON();
      const values = (metric?.values ?? []) as { labels: { form: string; outcome: string }; value: number }[];
      return Object.fromEntries(values.map(({ labels, value }) => [`${labels.form} ${labels.outcome}`, value]));
    },
    stop: () => stop.abort(),
    ended,
  };
}

async function post(url: string, body: string | Buffer, headers: Record<string, string> = GOOD): Promise<Response> {
  return await fetch(url, { method: 'POST', body: typeof body === 'string' ? body : new Uint8Array(body), headers });
}

describe('whoever posts a notification', () => {
  test('with a token is heard, and told how many objects were marked', async (t) => {
    const { url, bodies, counts } = await start(t);
    const answer = await post(url, '{"image":"a:1"}');
    assert.deepEqual([answer.status, await answer.json()], [202, { outcome: 'marked', objects: 1 }]);
    assert.deepEqual([bodies, await counts()], [['{"image":"a:1"}'], { 'generic marked': 1 }]);
  });

  test('may call it whatever media type', async (t) => {
    const { url, bodies } = await start(t);
    for (const type of [
      'application/vnd.docker.distribution.events.v1+json',
      'application/cloudevents+json',
      'text/plain',
    ]) {
      assert.equal((await post(url, '{}', { ...GOOD, 'content-type': type })).status, 202);
    }
    assert.equal(bodies.length, 3);
  });

  test('without the token is refused by its header, on whatever path, and nothing of it is read', async (t) => {
    const { url, port, bodies, counts } = await start(t);
    const forged = [{}, { authorization: '' }, { authorization: 'Bearer guess' }, { authorization: `Basic ${TOKEN}` }];
    for (const headers of forged as Record<string, string>[]) {
      const answer = await post(url, '{"image":"a:1"}', headers);
      assert.deepEqual([answer.status, answer.headers.get('connection')], [401, 'close']);
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 401);
    assert.deepEqual([bodies, await counts()], [[], { 'unknown unauthorized': 5 }]);
  });

  test('without the token is answered before it has sent what it says that it will', async (t) => {
    const { port } = await start(t);
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /notifications HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n{');
    assert.match(await text(socket), /^HTTP\/1\.1 401 /);
  });

  test('sends something else, or too much, is told so', async (t) => {
    const receive: Receive = async () => ({ outcome: 'malformed', objects: 0 });
    const { url, port, bodies, counts } = await start(t, { receive });
    assert.equal((await post(url, 'no JSON')).status, 400);
    assert.equal((await post(url, '')).status, 400);
    assert.equal((await post(url, Buffer.alloc(BODY_LIMIT + 1, 'x'))).status, 413);
    assert.equal((await fetch(url, { headers: GOOD })).status, 404);
    assert.equal((await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers: GOOD })).status, 404);
    assert.deepEqual([bodies.length, (await counts())['unknown malformed']], [2, 3]);
  });

  test('is asked to come again when what it says could not be kept', async (t) => {
    const { url, counts } = await start(t, { receive: () => Promise.reject(new Error('the API server is away')) });
    const answer = await post(url, '{}');
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1']);
    assert.equal((await counts())['unknown failed'], 1);
  });

  test('and sends more than a thousand at once is slowed down, token or not', async (t) => {
    const clock = new FakeClock();
    const { url, counts } = await start(t, { clock });
    for (let sent = 0; sent < 1000; sent += 20) {
      await Promise.all(Array.from({ length: 20 }, () => post(url, '{}')));
    }
    const answer = await post(url, '{}');
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [429, '1']);
    await clock.advance(10);
    assert.equal((await post(url, '{}')).status, 202);
    assert.deepEqual(await counts(), { 'generic marked': 1001, 'unknown limited': 1 });
  });

  test('while too many are worked on is asked to come again', async (t) => {
    const gate = Promise.withResolvers<void>();
    const { url, bodies } = await start(t, {
      async receive() {
        await gate.promise;
        return { outcome: 'unmatched', objects: 0 };
      },
    });
    const sent = Array.from({ length: 100 }, () => post(url, '{}'));
    const refused = await Promise.race(sent);
    assert.equal(refused.status, 429);
    gate.resolve();
    const statuses = (await Promise.all(sent)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 202).length, bodies.length);
    assert.ok(bodies.length >= 64 && bodies.length < 100);
  });

  test('and is being answered when it stops gets the answer', async (t) => {
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const { url, stop, ended } = await start(t, {
      async receive() {
        begun.resolve();
        await gate.promise;
        return { outcome: 'unmatched', objects: 0 };
      },
    });
    const answer = post(url, '{}');
    await begun.promise;
    stop();
    gate.resolve();
    assert.equal((await answer).status, 202);
    await ended;
    await assert.rejects(post(url, '{}'));
  });
});

describe('who is slow', { concurrency: true }, () => {
  /** Sends a byte of this each second, over and over, until the server ends the connection. */
  async function trickle(socket: Socket, head: string, rest: string): Promise<void> {
    socket.on('error', () => undefined).resume();
    socket.write(head);
    const timer = setInterval(() => socket.write(rest), 1000);
    await once(socket, 'close');
    clearInterval(timer);
  }

  test('with its header is cut off', async (t) => {
    const { port, counts } = await start(t);
    await trickle(connect(port, '127.0.0.1'), 'POST /notifications HTTP/1.1\r\n', 'x: y\r\n');
    assert.deepEqual(await counts(), {});
  });

  test('with its body is cut off, token or not', async (t) => {
    const { port, bodies } = await start(t);
    const head = `POST /notifications HTTP/1.1\r\nhost: a\r\nauthorization: ${GOOD.authorization}\r\ncontent-length: 1000\r\n\r\n`;
    await trickle(connect(port, '127.0.0.1'), head, ' ');
    assert.deepEqual(bodies, []);
  });
});
