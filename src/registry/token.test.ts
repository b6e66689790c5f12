import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { startFaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import type { FaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import { basic, TokenSource } from './token.ts';
import type { TokenRequest } from './token.ts';
import { DEFAULT_TIMEOUTS, Transport } from './transport.ts';

const { signal } = new AbortController();
let registry: FaultyRegistry;
let transport: Transport;
let now: number;
let tokens: TokenSource;
let request: TokenRequest;

beforeEach(async () => {
  registry = await startFaultyRegistry();
  transport = new Transport('test', DEFAULT_TIMEOUTS);
  now = 1000;
  tokens = new TokenSource(transport, () => now);
  request = {
    realm: `${registry.origin}/token?client=x`,
    service: 'faulty',
    scopes: ['repository:a:pull'],
    credentials: undefined,
    options: { plainHTTP: true },
  };
});

afterEach(async () => {
  await transport.close();
  await registry.close();
});

for (const [lifetime, usable] of [
  [300, 270],
  [60, 54],
  [10, 9],
] as const) {
  test(`a token of ${lifetime}s is used for ${usable}s`, async () => {
    registry.requireAuthorization({ scheme: 'Bearer', anonymous: true, lifetime });
    const first = await tokens.get(request, undefined, signal);
    now += usable * 1000 - 1;
    assert.equal(await tokens.get(request, undefined, signal), first);
    now += 1;
    assert.notEqual(await tokens.get(request, undefined, signal), first);
  });
}

test('a realm that has a query keeps it', async () => {
  registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
  await tokens.get(request, undefined, signal);
  assert.equal(registry.requests[0]?.query, '?client=x&service=faulty&scope=repository%3Aa%3Apull');
});

test('a token that was rejected is not given again, and all who had it share the next', async () => {
  registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
  const rejected = await tokens.get(request, undefined, signal);
  const next = await Promise.all([1, 2, 3].map(() => tokens.get(request, rejected, signal)));
  assert.deepEqual(new Set(next).size, 1);
  assert.ok(!next.includes(rejected));
  assert.equal(registry.requests.length, 2);
});

test('a failure is not kept', async () => {
  registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
  registry.fail({ fault: { answer: 500 }, times: 1 });
  await assert.rejects(tokens.get(request, undefined, signal), { kind: 'Unreachable' });
  assert.match(await tokens.get(request, undefined, signal), /^token-/);
});

test('a realm that is no URL is refused', async () => {
  await assert.rejects(tokens.get({ ...request, realm: '/token' }, undefined, signal), { kind: 'Invalid' });
});

test('Basic is made of a user name and a password, and of nothing less', () => {
  assert.equal(basic({ username: 'Aladdin', password: 'open sesame' }), 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==');
  assert.equal(basic({ username: 'ann', identityToken: 'x' }), undefined);
  assert.equal(basic(undefined), undefined);
});
