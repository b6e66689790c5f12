import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { before, describe, test, type TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { loopbackCertificate } from '../../test/support/loopback-certificate.ts';
import type { SecretContents } from './certificates/contents.ts';
import { renew } from './certificates/policy.ts';
import { allow, BODY_LIMIT } from './review.ts';
import { createWebhookServer, type AllowedClients, type WebhookServer } from './server.ts';

const DRAIN_MS = 10_000;
const FAREWELL_MS = 3000;

let first: SecretContents;
let second: SecretContents;
/** As after a change of the authority: clients trust the old and the new one. */
let ca: string;

before(async () => {
  first = await renew('create', undefined, ['localhost'], new Date());
  const rotated = await renew('rotate-ca', first, ['localhost'], new Date());
  second = await renew('issue-leaf', rotated, ['localhost'], new Date());
  ca = second.bundle.join('');
});

interface Fixture {
  server: WebhookServer;
  clock: FakeClock;
  port: number;
  stop: AbortController;
  /** Settles when the server has ended. */
  ended: Promise<void>;
}

/** A running server that allows `{"uid": …}`, and answers 400 to anything else. */
async function start(t: TestContext, clients?: AllowedClients): Promise<Fixture> {
  const clock = new FakeClock();
  const server = createWebhookServer({
    review: (body) => (body.startsWith('uid:') ? allow(body.slice(4).trim()) : undefined),
    clock,
    log: pino({ level: 'silent' }),
    host: '127.0.0.1',
    port: 0,
    drainMs: DRAIN_MS,
    farewellMs: FAREWELL_MS,
    clients,
  });
  server.setCertificate(first);
  const stop = new AbortController();
  const ended = server.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await clock.advance(DRAIN_MS);
    await clock.advance(FAREWELL_MS);
    await ended;
  });
  await server.ready(stop.signal);
  return { server, clock, port: server.address()?.port ?? 0, stop, ended };
}

/** Connections that are kept alive, as the API server's are. */
function keepAlive(t: TestContext): Agent {
  const agent = new Agent({ keepAlive: true, ca, maxSockets: 8 });
  t.after(() => agent.destroy());
  return agent;
}

interface Answer {
  status: number;
  connection: string | undefined;
  body: string;
  /** SHA-256 of the certificate that the server showed. */
  fingerprint: string;
  socket: TLSSocket;
}

interface Post {
  agent?: Agent | false;
  body?: string;
  path?: string;
  method?: string;
  contentType?: string;
  /** What the caller shows of itself. */
  client?: { cert: string; key: string } | undefined;
}

async function post(
  port: number,
  { agent = false, body = 'uid:u1', path, method, contentType, client }: Post = {},
): Promise<Answer> {
  const outgoing = request({
    host: '127.0.0.1',
    servername: 'localhost',
    port,
    path: path ?? '/mutate-pods?timeout=2s',
    method: method ?? 'POST',
    headers: { 'content-type': contentType ?? 'application/json' },
    agent,
    ca,
    ...client,
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  const socket = response.socket as TLSSocket;
  return {
    status: response.statusCode,
    connection: response.headers.connection,
    fingerprint: socket.getPeerX509Certificate()?.fingerprint256 ?? '',
    body: await text(response),
    socket,
  };
}

/** The head of a request with a body of nine bytes. */
const HEADERS =
  'POST /mutate-pods HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n';

async function tlsConnection(port: number): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca });
  await once(socket, 'secureConnect');
  return socket;
}

interface Load {
  /** Resolves when that many more requests were answered; rejects when one failed. */
  more(count: number): Promise<void>;
  stop(): Promise<unknown>;
}

/** Workers that each send one request after another. */
function startLoad(workers: number, send: (id: string) => Promise<void>): Load {
  const state = { running: true, answered: 0 };
  const work = Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      for (let i = 0; state.running; i += 1) {
        await send(`${worker}-${i}`);
        state.answered += 1;
      }
    }),
  );
  return {
    async more(count) {
      const enough = state.answered + count;
      while (state.answered < enough) {
        await Promise.race([work, new Promise(setImmediate)]);
      }
    },
    stop() {
      state.running = false;
      return work;
    },
  };
}

function uidOf({ body }: Answer): unknown {
  return (JSON.parse(body) as { response: { uid: unknown } }).response.uid;
}

describe('the answer over HTTPS', () => {
  test('is the one of the reviewer', async (t) => {
    const { port } = await start(t);
    const answer = await post(port);
    assert.equal(answer.status, 200);
    assert.equal(uidOf(answer), 'u1');
  });

  test('is 400 for what is no AdmissionReview', async (t) => {
    const { port } = await start(t);
    assert.equal((await post(port, { body: 'garbage' })).status, 400);
    assert.equal((await post(port, { body: '' })).status, 400);
  });

  test('is 413 for more than 7 MiB, and 7 MiB are read', async (t) => {
    const { port } = await start(t);
    assert.equal((await post(port, { body: `uid:u1${' '.repeat(BODY_LIMIT - 6)}` })).status, 200);
    const outgoing = request({
      host: '127.0.0.1',
      servername: 'localhost',
      port,
      path: '/mutate-pods',
      method: 'POST',
      ca,
    });
    outgoing.setHeader('content-type', 'application/json');
    outgoing.setHeader('content-length', BODY_LIMIT + 1);
    outgoing.flushHeaders();
    const [response] = await once(outgoing, 'response');
    assert.equal(response.statusCode, 413);
    outgoing.destroy();
  });

  test('is 415 for what is not JSON, and 404 for anything else than a POST to its path', async (t) => {
    const { port } = await start(t);
    assert.equal((await post(port, { contentType: 'text/plain' })).status, 415);
    assert.equal((await post(port, { path: '/' })).status, 404);
    assert.equal((await post(port, { method: 'PUT' })).status, 404);
  });

  test('does not go to clients below TLS 1.3', async (t) => {
    const { port } = await start(t);
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      ca,
      maxVersion: 'TLSv1.2',
    });
    await assert.rejects(once(socket, 'secureConnect'), /protocol version|no protocols/i);
  });
});

describe('where callers have to show a certificate', () => {
  const apiServer = loopbackCertificate;
  const authority = loopbackCertificate.cert;

  test('one with a certificate of the authority is answered, after a renewal of our own too', async (t) => {
    const { port, server } = await start(t, { ca: authority, names: [] });
    assert.equal((await post(port, { client: apiServer })).status, 200);
    server.setCertificate(second);
    assert.equal((await post(port, { client: apiServer })).status, 200);
  });

  test('one without, or with one of somebody else, is turned away, after a renewal too', async (t) => {
    const { port, server } = await start(t, { ca: authority, names: [] });
    const strangers = [undefined, { cert: first.cert, key: first.key }];
    for (const client of strangers) {
      await assert.rejects(post(port, { client }));
    }
    server.setCertificate(second);
    for (const client of strangers) {
      await assert.rejects(post(port, { client }));
    }
  });

  test('only the names that are listed may call, when any are', async (t) => {
    const listed = await start(t, { ca: authority, names: ['kube-apiserver', 'loopback test'] });
    assert.equal((await post(listed.port, { client: apiServer })).status, 200);
    const others = await start(t, { ca: authority, names: ['kube-apiserver'] });
    assert.equal((await post(others.port, { client: apiServer })).status, 403);
  });
});

test('it listens once it has a certificate, and what starts after it does not wait for that', async () => {
  const clock = new FakeClock();
  const server = createWebhookServer({
    review: () => allow('u1'),
    clock,
    log: pino({ level: 'silent' }),
    host: '127.0.0.1',
    port: 0,
  });
  const stop = new AbortController();
  const ended = server.run(stop.signal);
  await server.ready(stop.signal);
  assert.equal(server.address(), undefined);
  assert.equal(server.isServing(), false);
  server.setCertificate(first);
  await server.ready(stop.signal);
  assert.equal(server.isServing(), true);
  assert.equal((await post(server.address()?.port ?? 0)).status, 200);
  stop.abort();
  await clock.advance(10_000);
  await clock.advance(3000);
  await ended;
  assert.equal(server.isServing(), false);
});

test('a server that is told to stop before it had a certificate ends at once', async () => {
  const server = createWebhookServer({
    review: () => undefined,
    clock: new FakeClock(),
    log: pino({ level: 'silent' }),
    port: 0,
  });
  const stop = new AbortController();
  const ended = server.run(stop.signal);
  stop.abort();
  await ended;
});

test('a port that is taken ends it with the error', async (t) => {
  const { port } = await start(t);
  const server = createWebhookServer({
    review: () => undefined,
    clock: new FakeClock(),
    log: pino({ level: 'silent' }),
    host: '127.0.0.1',
    port,
  });
  server.setCertificate(first);
  await assert.rejects(server.run(new AbortController().signal), { code: 'EADDRINUSE' });
});

describe('a new certificate', () => {
  test('is shown to new connections, while those that are open go on', async (t) => {
    const { server, port } = await start(t);
    const agent = keepAlive(t);
    const before = await post(port, { agent });
    server.setCertificate(second);
    const reused = await post(port, { agent });
    assert.equal(reused.socket, before.socket);
    assert.notEqual((await post(port)).fingerprint, before.fingerprint);
  });

  test('that does not fit its key is refused, and the one before stays', async (t) => {
    const { server, port } = await start(t);
    const { fingerprint } = await post(port);
    assert.throws(() => server.setCertificate({ cert: second.cert, key: first.key }), /key values mismatch/);
    assert.equal((await post(port)).fingerprint, fingerprint);
  });

  test('does not fail a single request, however often it changes under load', async (t) => {
    const { server, port } = await start(t);
    const agent = keepAlive(t);
    const fingerprints = new Set<string>();
    const load = startLoad(8, async (id) => {
      // Every other request comes over a connection of its own.
      const answer = await post(port, { agent: Number(id.at(-1)) % 2 === 0 && agent, body: `uid:${id}` });
      assert.equal(answer.status, 200);
      assert.equal(uidOf(answer), id);
      fingerprints.add(answer.fingerprint);
    });
    for (let change = 1; change <= 10; change += 1) {
      server.setCertificate(change % 2 === 0 ? first : second);
      await load.more(16);
    }
    await load.stop();
    for (const { cert } of [first, second]) {
      assert.ok(fingerprints.has(new X509Certificate(cert).fingerprint256));
    }
  });
});

describe('told to stop', () => {
  test('it serves on as before until no endpoint points to it, then bids its callers farewell, then ends', async (t) => {
    const { server, clock, port, stop, ended } = await start(t);
    const agent = keepAlive(t);
    await post(port, { agent });
    stop.abort();
    await clock.advance(DRAIN_MS - 1);
    assert.equal((await post(port, { agent })).connection, 'keep-alive');
    assert.equal(server.isServing(), true);
    await clock.advance(1);
    const farewell = await post(port, { agent });
    assert.equal(farewell.status, 200);
    assert.equal(farewell.connection, 'close');
    assert.equal((await post(port)).status, 200, 'late callers are still answered');
    await clock.advance(FAREWELL_MS);
    await ended;
    assert.equal(server.isServing(), false);
    await assert.rejects(post(port), { code: 'ECONNREFUSED' });
  });

  test('it answers a request that is under way when it closes', async (t) => {
    const { clock, port, stop, ended } = await start(t);
    const socket = await tlsConnection(port);
    socket.write(`${HEADERS}uid:`);
    // By its answer the server has read the beginning of the other request.
    await post(port);
    stop.abort();
    await clock.advance(DRAIN_MS);
    await clock.advance(FAREWELL_MS);
    socket.write('u1234');
    assert.match(await text(socket), /^HTTP\/1\.1 200 /);
    await ended;
  });

  test('it does not wait for ever for a caller that never sends its request', async (t) => {
    const { clock, port, stop, ended } = await start(t);
    const socket = await tlsConnection(port);
    socket.on('error', () => undefined);
    socket.write(`${HEADERS}uid`);
    await post(port);
    stop.abort();
    await clock.advance(DRAIN_MS);
    await clock.advance(FAREWELL_MS);
    await clock.advance(3000);
    await ended;
    socket.destroy();
  });

  test('it fails no request of callers who go where the endpoints point', async (t) => {
    const old = await start(t);
    const next = await start(t);
    const agent = keepAlive(t);
    let port = old.port;
    const load = startLoad(6, async () => assert.equal((await post(port, { agent })).status, 200));
    await load.more(12);
    old.stop.abort();
    await load.more(12);
    await old.clock.advance(DRAIN_MS - 1);
    await load.more(12);
    // Endpoints follow before the drain is over.
    ({ port } = next);
    await old.clock.advance(1);
    await load.more(12);
    await old.clock.advance(FAREWELL_MS);
    await old.ended;
    await load.more(12);
    await load.stop();
  });
});
