import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { startFaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import type { FaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import type { Credentials } from './auth.ts';
import { RegistryClient } from './client.ts';
import { RegistryError } from './errors.ts';
import type { Reference } from './reference.ts';

const ANN: Credentials = { username: 'ann', password: 'pass:word' };
const USERS = { ann: 'pass:word' };
let registry: FaultyRegistry;
let client: RegistryClient;
let image: Reference;
let digest: string;

beforeEach(async () => {
  registry = await startFaultyRegistry();
  client = new RegistryClient({
    registries: { [registry.host]: { plainHTTP: true } },
    userAgent: 'slipstream-test/1',
    retryDelay: 1,
  });
  image = { registry: registry.host, repository: 'team/app', tag: '1' };
  ({ digest } = registry.addImage('team/app', '1'));
});

afterEach(async () => {
  await client.close();
  await registry.close();
});

/** `token` requests as their scopes, others as method and kind of Authorization. */
function conversation(): string[] {
  return registry.requests.map(({ method, path, query, headers, body }) => {
    const scopes = new URLSearchParams(method === 'POST' ? body.toString() : query).getAll('scope');
    const scheme = String(headers.authorization ?? 'nothing').split(' ')[0];
    return path === '/token' ? `${method} token ${scopes.join(' + ')} with ${scheme}` : `${method} with ${scheme}`;
  });
}

function isUnauthorized(error: unknown): boolean {
  assert.ok(error instanceof RegistryError && error.kind === 'Unauthorized', String(error));
  assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /pass:word|wrong|refresh-me|token-\d|Basic|YW5u/);
  return true;
}

describe('a registry that wants tokens', () => {
  test('gives one to everybody for what is public, after one refusal', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
    assert.equal((await client.resolve(image)).digest, digest);
    await client.manifest(image);
    assert.deepEqual(conversation(), [
      'HEAD with nothing',
      'GET token repository:team/app:pull with nothing',
      'HEAD with Bearer',
      'GET with Bearer',
    ]);
  });

  test('sees user name and password at its token service only', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', users: USERS });
    await client.resolve(image, { credentials: ANN });
    assert.deepEqual(conversation(), [
      'HEAD with nothing',
      'GET token repository:team/app:pull with Basic',
      'HEAD with Bearer',
    ]);
  });

  test('is given a refresh token by POST', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', identityTokens: ['refresh-me'] });
    await client.resolve(image, { credentials: { username: 'ann', identityToken: 'refresh-me' } });
    assert.deepEqual(conversation().slice(1), ['POST token repository:team/app:pull with nothing', 'HEAD with Bearer']);
  });

  test('is asked for push where that is needed, and for the source of a mount', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', users: USERS });
    const blob = registry.content.addBlob('base/image', Buffer.from('shared'));
    assert.equal(await client.mount(image, blob, 'base/image', { credentials: ANN }), true);
    await client.pushBlob(image, Buffer.from('mine'), { credentials: ANN });
    await client.deleteTag({ registry: registry.host, repository: 'team/app', tag: '1' }, { credentials: ANN });
    assert.deepEqual(
      conversation().filter((line) => line.includes('token')),
      [
        'GET token repository:team/app:pull,push + repository:base/image:pull with Basic',
        'GET token repository:team/app:pull,push with Basic',
        'GET token repository:team/app:delete,pull,push with Basic',
      ],
    );
  });

  test('gives one token to many calls at once, but not to other credentials or other repositories', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', users: { ...USERS, bob: 'b' }, anonymous: true });
    registry.addImage('team/other', '1');
    await client.resolve(image, { credentials: ANN });
    await Promise.all(Array.from({ length: 10 }, () => client.manifest(image, { credentials: ANN })));
    const tokens = (): number => conversation().filter((line) => line.includes('token')).length;
    assert.equal(tokens(), 1);
    await Promise.all(
      Array.from({ length: 5 }, () => client.manifest({ ...image, repository: 'team/other' }, { credentials: ANN })),
    );
    assert.equal(tokens(), 2);
    await client.resolve(image, { credentials: { username: 'bob', password: 'b' } });
    await client.resolve(image);
    assert.equal(tokens(), 4);
  });

  test('that no longer takes a token is asked for a new one, once', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', users: USERS });
    await client.resolve(image, { credentials: ANN });
    registry.revokeTokens();
    registry.requests.length = 0;
    await client.resolve(image, { credentials: ANN });
    assert.deepEqual(conversation(), [
      'HEAD with Bearer',
      'GET token repository:team/app:pull with Basic',
      'HEAD with Bearer',
    ]);
    registry.requests.length = 0;
    registry.fail({
      method: 'HEAD',
      fault: {
        answer: 401,
        headers: { 'www-authenticate': `Bearer realm="${registry.origin}/token",service="faulty"` },
      },
    });
    await assert.rejects(client.resolve(image, { credentials: ANN }), isUnauthorized);
    assert.equal(registry.requests.length, 3);
  });

  test('that refuses the credentials is Unauthorized, without them in the message', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', users: USERS, identityTokens: ['other'] });
    await assert.rejects(
      client.resolve(image, { credentials: { username: 'ann', password: 'wrong' } }),
      isUnauthorized,
    );
    await assert.rejects(client.resolve(image, { credentials: { identityToken: 'refresh-me' } }), isUnauthorized);
    await assert.rejects(client.resolve(image), isUnauthorized);
  });

  test('that gives fewer rights than asked for is Unauthorized', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
    await client.resolve(image);
    await assert.rejects(client.pushBlob(image, Buffer.from('x')), isUnauthorized);
  });

  test('whose token service limits the rate says RateLimited', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
    registry.fail({ path: /^\/token$/, fault: { answer: 429, headers: { 'retry-after': '3' } } });
    await assert.rejects(client.resolve(image), { kind: 'RateLimited', retryAfter: 3000 });
  });

  test('whose token service answers nonsense says Invalid', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
    registry.fail({ path: /^\/token$/, fault: 'corrupt' });
    await assert.rejects(client.resolve(image), { kind: 'Invalid', message: /answered without a token/ });
  });

  test('whose token service is down for a moment is tried again', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
    registry.fail({ path: /^\/token$/, fault: { answer: 503 }, times: 1 });
    assert.equal((await client.resolve(image)).digest, digest);
  });

  test('an aborted call does not take the token from others that wait for it', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', anonymous: true });
    await client.resolve(image);
    registry.requests.length = 0;
    registry.addImage('team/other', '1');
    const other = { ...image, repository: 'team/other' };
    const abort = new AbortController();
    const aborted = client.resolve(other, { signal: abort.signal });
    const waiting = client.resolve(other);
    abort.abort(new Error('not needed any more'));
    await assert.rejects(aborted, /not needed any more/);
    await waiting;
    assert.equal(conversation().filter((line) => line.includes('token')).length, 1);
  });
});

describe('a registry that wants a user name and password', () => {
  beforeEach(() => {
    registry.requireAuthorization({ scheme: 'Basic', users: USERS });
  });

  test('gets them once it has asked, and from then on at once', async () => {
    await client.resolve(image, { credentials: ANN });
    await client.resolve(image, { credentials: ANN });
    assert.deepEqual(conversation(), ['HEAD with nothing', 'HEAD with Basic', 'HEAD with Basic']);
  });

  test('is Unauthorized if they are wrong or missing, after as few requests as it takes', async () => {
    const wrong = { username: 'ann', password: 'wrong' };
    await assert.rejects(client.resolve(image, { credentials: wrong }), isUnauthorized);
    await assert.rejects(client.resolve(image, { credentials: wrong }), isUnauthorized);
    await assert.rejects(client.resolve(image), isUnauthorized);
    assert.deepEqual(conversation(), ['HEAD with nothing', 'HEAD with Basic', 'HEAD with Basic', 'HEAD with nothing']);
  });
});

describe('pullAuthorization', () => {
  test('hands on a token to pull, and nothing else', async () => {
    registry.requireAuthorization({ scheme: 'Bearer', users: USERS });
    const authorization = await client.pullAuthorization(image, { credentials: ANN });
    assert.match(authorization ?? '', /^Bearer token-\d+$/);
    const pulled = await fetch(`${registry.origin}/v2/team/app/manifests/${digest}`, {
      headers: { authorization: authorization ?? '', accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    assert.equal(pulled.status, 200);
  });

  test('never hands on a password', async () => {
    registry.requireAuthorization({ scheme: 'Basic', users: USERS });
    assert.equal(await client.pullAuthorization(image, { credentials: ANN }), undefined);
  });

  test('is nothing where nobody asks for it', async () => {
    assert.equal(await client.pullAuthorization(image, { credentials: ANN }), undefined);
  });
});

test('credentials stay at home while a registry asks for none', async () => {
  await client.manifest(image, { credentials: ANN });
  await client.pushBlob(image, Buffer.from('x'), { credentials: ANN });
  assert.ok(registry.requests.every(({ headers }) => headers.authorization === undefined));
  assert.ok(registry.requests.every(({ headers }) => headers['user-agent'] === 'slipstream-test/1'));
});
