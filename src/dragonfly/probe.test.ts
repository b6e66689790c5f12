import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Agent } from 'undici';
import { startSeedDouble } from '../../test/doubles/seed-peer.ts';
import type { SeedReply } from '../../test/doubles/seed-peer.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { isDragonflyProxy, probe } from './probe.ts';
import type { ProbeMode, ProbeOptions, ProbeResult } from './probe.ts';
import type { Blob, Seed } from './provider.ts';

const HEX = 'ab'.repeat(32);
const BLOB: Blob = {
  registry: 'registry.example.com',
  repository: 'web/shop',
  digest: `sha256:${HEX}`,
  size: 10,
  url: `https://registry.example.com/v2/web/shop/blobs/sha256:${HEX}`,
};

function options(overrides: Partial<ProbeOptions> = {}): ProbeOptions {
  return { dispatcher: new Agent(), clock: new FakeClock(), signal: new AbortController().signal, ...overrides };
}

async function answered(reply: SeedReply, mode: ProbeMode = 'fetch'): Promise<ProbeResult> {
  await using double = await startSeedDouble({ fault: () => reply });
  return await probe({ seed: double.seed, blob: BLOB, offset: 0, mode }, options());
}

function failed(status: number, type: string, headers: Record<string, string> = {}): SeedReply {
  return { status, headers: { 'X-Dragonfly-Error-Type': type, ...headers } };
}

test('a seed is asked as a mirror of the origin, for one byte, with the token', async () => {
  await using double = await startSeedDouble();
  const result = await probe(
    { seed: double.seed, blob: BLOB, offset: 3, mode: 'prefetch', authorization: 'Bearer abc' },
    options(),
  );
  assert.deepEqual(result, { outcome: 'served', taskID: HEX });
  assert.deepEqual(double.requests, [
    {
      path: `/v2/web/shop/blobs/sha256:${HEX}`,
      hex: HEX,
      offset: 3,
      piece: 0,
      prefetch: true,
      origin: 'https://registry.example.com',
      authorization: 'Bearer abc',
    },
  ]);
});

test('fetching one piece says that nothing is to be prefetched, which a seed may be configured to do by itself', async () => {
  await using double = await startSeedDouble();
  await probe({ seed: double.seed, blob: BLOB, offset: 0, mode: 'fetch' }, options());
  assert.equal(double.requests[0]?.prefetch, false);
});

test('a local read names no origin and carries no token', async () => {
  await using double = await startSeedDouble();
  const result = await probe(
    { seed: double.seed, blob: BLOB, offset: 0, mode: 'local', authorization: 'Bearer abc' },
    options(),
  );
  assert.deepEqual(result, { outcome: 'missing' });
  assert.deepEqual(
    double.requests.map(({ origin, authorization, prefetch }) => [origin, authorization, prefetch]),
    [[undefined, undefined, false]],
  );
});

for (const status of [401, 403, 404]) {
  test(`${status} that the seed relays from the origin is the origin's refusal`, async () => {
    assert.deepEqual(await answered(failed(status, 'backend')), {
      outcome: 'originRejected',
      message: `the origin answered ${status}`,
    });
  });
}

test('an origin that limits its requests makes the seed busy for as long as it says', async () => {
  assert.deepEqual(await answered(failed(429, 'backend', { 'Retry-After': '7' })), {
    outcome: 'busy',
    message: 'the origin answered 429',
    retryAfter: 7000,
  });
});

test('a seed that limits its requests is busy, whatever is asked', async () => {
  for (const mode of ['prefetch', 'fetch', 'local'] as const) {
    assert.equal((await answered(failed(429, 'proxy'), mode)).outcome, 'busy');
  }
});

test('a seed that stumbles is busy; one that has no room says so; one that refuses, refuses', async () => {
  assert.equal((await answered(failed(500, 'dfdaemon'))).outcome, 'busy');
  const full = await answered(failed(507, 'dfdaemon'));
  assert.equal(full.outcome, 'full');
  assert.match(full.message, /has no space left for the blob: give it a larger disk/);
  assert.equal((await answered(failed(403, 'proxy'))).outcome, 'refused');
});

test('whatever else listens there is not taken for a seed', async () => {
  for (const reply of [
    { status: 200, body: 'x' },
    { status: 206, headers: { 'X-Dragonfly-Task-Id': HEX }, body: 'more than a byte' },
    { status: 200, body: 'x'.repeat(1_000_000) },
    { status: 502 },
  ]) {
    assert.equal((await answered(reply)).outcome, 'refused', JSON.stringify(reply).slice(0, 80));
  }
});

test('a seed that is not there is unreachable', async () => {
  let gone: Seed;
  {
    await using double = await startSeedDouble();
    gone = double.seed;
  }
  const result = await probe({ seed: gone, blob: BLOB, offset: 0, mode: 'fetch' }, options());
  assert.equal(result.outcome, 'unreachable');
});

test('a seed that does not answer in time is silent', async () => {
  const asked = Promise.withResolvers<void>();
  await using silent = await startSilentServer(() => asked.resolve());
  const clock = new FakeClock();
  const result = probe({ seed: silent.seed, blob: BLOB, offset: 0, mode: 'fetch' }, options({ clock }));
  await asked.promise;
  await clock.advance(60_000);
  assert.deepEqual(await result, {
    outcome: 'silent',
    message: 'no whole answer within 30 s',
  });
  assert.equal(clock.timers, 0);
});

test('a call that is aborted ends with the reason', async () => {
  const asked = Promise.withResolvers<void>();
  await using silent = await startSilentServer(() => asked.resolve());
  const abort = new AbortController();
  const result = probe({ seed: silent.seed, blob: BLOB, offset: 0, mode: 'fetch' }, options({ signal: abort.signal }));
  await asked.promise;
  abort.abort(new Error('shutting down'));
  await assert.rejects(result, /shutting down/);
});

test('a Dragonfly proxy is known by its refusal', async () => {
  await using double = await startSeedDouble();
  assert.equal(await isDragonflyProxy(double.seed, options()), true);
  await using other = await startSeedDouble({ fault: () => ({ status: 200, body: 'welcome' }) });
  assert.equal(await isDragonflyProxy(other.seed, options()), false);
});

async function startSilentServer(onRequest: () => void): Promise<AsyncDisposable & { seed: Seed }> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.once('data', onRequest);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    seed: { name: 'silent', url: `http://127.0.0.1:${port}` },
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
