import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { Blob } from '../../src/dragonfly/provider.ts';
import type { SeedPeer } from '../support/dfdaemon.ts';
import { digestOf } from '../support/distribution.ts';
import { PIECE, ask, readUntilFinished, startWorld } from './world.ts';
import type { World } from './world.ts';

// What src/dragonfly takes for granted of dfdaemon, and what it is careful not to: a new version of it is tried here first.

const BYTE = { range: 'bytes=0-0', 'x-dragonfly-prefetch': 'false' };
const NO_ORIGIN = { 'x-dragonfly-registry': 'none://127.0.0.1:0', 'x-dragonfly-prefetch': 'false' };

let world: World;
let seed: SeedPeer;

before(async () => {
  world = await startWorld(1);
  const [only] = world.seeds;
  assert.ok(only !== undefined);
  seed = only;
});
after(() => world[Symbol.asyncDispose]());

async function layerOf(size: number): Promise<Blob> {
  const { blobs } = await world.pushImage([size]);
  const [, layer] = blobs;
  assert.ok(layer !== undefined);
  return layer;
}

async function drained(answer: Promise<Response>): Promise<Response> {
  const response = await answer;
  await response.arrayBuffer();
  return response;
}

test('the id of a task is the digest of its blob', async () => {
  const layer = await layerOf(10);
  const answer = await drained(ask(seed, layer, BYTE));
  assert.equal(answer.status, 206);
  assert.equal(`sha256:${answer.headers.get('x-dragonfly-task-id')}`, layer.digest);
});

test('one byte costs the origin one piece', async () => {
  const layer = await layerOf(3 * PIECE);
  await drained(ask(seed, layer, BYTE));
  assert.ok(world.origin.bytes(layer.digest) <= PIECE + 1, `${world.origin.bytes(layer.digest)}`);
});

test('a task is called finished after the first read of a part of it', async () => {
  const layer = await layerOf(3 * PIECE);
  const first = await drained(ask(seed, layer, BYTE));
  assert.equal(first.headers.get('x-dragonfly-task-download-finished'), null);
  await readUntilFinished(seed, layer);
  assert.ok(world.origin.bytes(layer.digest) < 2 * PIECE);
});

test('who pulls through the proxy, as nydusd does, gets the same task as who pulls from it as a mirror', async () => {
  const layer = await layerOf(3 * PIECE);
  await drained(ask(seed, layer, {}));
  const bytes = world.origin.bytes();
  const pulled = await throughProxy(seed, layer);
  assert.equal(`sha256:${pulled.headers['x-dragonfly-task-id']?.toString()}`, layer.digest);
  assert.equal(digestOf(await buffer(pulled)), layer.digest);
  assert.equal(world.origin.bytes(), bytes);
});

test('without an origin a seed serves the pieces that it has, and only those', async () => {
  const layer = await layerOf(3 * PIECE);
  await drained(ask(seed, layer, BYTE));
  const requests = world.origin.requests();
  const there = await drained(ask(seed, layer, { ...NO_ORIGIN, range: `bytes=${PIECE - 1}-${PIECE - 1}` }));
  assert.equal(there.status, 206);
  const missing = await drained(ask(seed, layer, { ...NO_ORIGIN, range: `bytes=${PIECE}-${PIECE}` }));
  assert.deepEqual([missing.status, missing.headers.get('x-dragonfly-error-type')], [500, 'dfdaemon']);
  assert.equal(world.origin.requests(), requests);
});

test('without an origin a seed refuses a blob that it does not know', async () => {
  const layer = await layerOf(10);
  const unknown = await drained(ask(seed, layer, { ...NO_ORIGIN, range: 'bytes=0-0' }));
  assert.deepEqual([unknown.status, unknown.headers.get('x-dragonfly-error-type')], [400, 'dfdaemon']);
});

test('a request that failed without an origin leaves the task usable', async () => {
  const layer = await layerOf(3 * PIECE);
  await drained(ask(seed, layer, BYTE));
  await drained(ask(seed, layer, { ...NO_ORIGIN, range: `bytes=${PIECE}-${PIECE}` }));
  assert.equal(await world.pull(seed, layer), layer.digest);
});

for (const status of [401, 403, 404]) {
  test(`${status} of the origin is relayed as the backend's`, async () => {
    const layer = await layerOf(10);
    world.origin.refuseWith(status);
    try {
      const answer = await drained(ask(seed, layer, BYTE));
      assert.deepEqual([answer.status, answer.headers.get('x-dragonfly-error-type')], [status, 'backend']);
    } finally {
      world.origin.refuseWith(undefined);
    }
  });
}

/** Asks for a blob by its whole URL, as a client of an HTTP proxy does. */
async function throughProxy({ url }: SeedPeer, blob: Blob): Promise<IncomingMessage> {
  const { hostname, port } = new URL(url);
  const { host } = new URL(blob.url);
  const sent = request({ hostname, port, path: blob.url, headers: { host } }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return answer;
}
