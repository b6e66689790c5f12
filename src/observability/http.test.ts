import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { createHealthServer, type HealthCheck, type HealthServer } from './http.ts';
import { createMetricsRegistry } from './metrics.ts';

interface Running {
  server: HealthServer;
  url: string;
  /** Asks for a stop; resolves when it has. */
  stop: () => Promise<void>;
}

function check(name: string, why?: string): HealthCheck {
  return { name, failure: () => why };
}

async function start(t: TestContext, checks: { healthy?: HealthCheck[]; ready?: HealthCheck[] }): Promise<Running> {
  const server = createHealthServer({
    host: '127.0.0.1',
    port: 0,
    registry: createMetricsRegistry(),
    healthy: checks.healthy ?? [],
    ready: checks.ready ?? [],
    log: pino({ level: 'silent' }),
  });
  const controller = new AbortController();
  const running = server.run(controller.signal);
  const stop = async (): Promise<void> => {
    controller.abort();
    await running;
  };
  t.after(stop);
  await server.ready(controller.signal);
  return { server, url: server.url(), stop };
}

async function read(url: string): Promise<[number, string]> {
  const response = await fetch(url);
  return [response.status, await response.text()];
}

test('without a failing check both endpoints say ok, in full when asked', async (t) => {
  const { url } = await start(t, { healthy: [check('ping')], ready: [check('caches'), check('certificate')] });
  assert.deepEqual(await read(`${url}/healthz`), [200, 'ok\n']);
  assert.deepEqual(await read(`${url}/readyz`), [200, 'ok\n']);
  assert.deepEqual(await read(`${url}/readyz?verbose`), [
    200,
    '[+]caches ok\n[+]certificate ok\nreadyz check passed\n',
  ]);
});

test('a failing check is named with its reason, and fails only its own endpoint', async (t) => {
  const { url } = await start(t, { healthy: [check('ping')], ready: [check('ping'), check('caches', 'not synced')] });
  assert.deepEqual(await read(`${url}/readyz`), [
    503,
    '[+]ping ok\n[-]caches failed: not synced\nreadyz check failed\n',
  ]);
  assert.deepEqual(await read(`${url}/healthz`), [200, 'ok\n']);
});

test('a check that throws is a failure and not the end of the process', async (t) => {
  const broken = {
    name: 'broken',
    failure: (): string | undefined => {
      throw new Error('bug');
    },
  };
  const { url } = await start(t, { ready: [broken] });
  assert.deepEqual(await read(`${url}/readyz`), [500, 'internal error\n']);
  assert.deepEqual(await read(`${url}/healthz`), [200, 'ok\n']);
});

test('metrics are in the format that Prometheus asks for', async (t) => {
  const { url } = await start(t, {});
  const response = await fetch(`${url}/metrics`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(await response.text(), /^# HELP process_cpu_user_seconds_total /m);
});

test('other paths and methods are refused', async (t) => {
  const { url } = await start(t, {});
  assert.equal((await read(`${url}/`))[0], 404);
  const post = await fetch(`${url}/metrics`, { method: 'POST' });
  assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
  await post.text();
});

test('a stop answers what is under way, ends idle connections, and takes no new ones', async (t) => {
  const { url, stop } = await start(t, {});
  const { port } = new URL(url);
  // A request whose head is only half there when the stop comes.
  const slow = connect(Number(port), '127.0.0.1');
  slow.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
  // The server has read it once it answers a request that came later, whose connection is kept and idle from then on.
  await read(`${url}/healthz`);
  const stopped = stop();
  slow.write('\r\n');
  const [answer] = (await once(slow, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1.1 200 OK\r\n(.*\r\n)*connection: close\r\n/i);
  await stopped;
  const refused = get(`${url}/healthz`);
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
  slow.destroy();
});

test('a port that is taken ends the run with an error', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const options = { host: '127.0.0.1', port, healthy: [], ready: [], log: pino({ level: 'silent' }) };
  const server = createHealthServer({ ...options, registry: createMetricsRegistry() });
  await assert.rejects(server.run(new AbortController().signal), { code: 'EADDRINUSE' });
});
