import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { startFaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import type { FaultyRegistry, FaultyRegistryOptions } from '../../test/doubles/faulty-registry.ts';
import { loopbackCertificate } from '../../test/support/loopback-certificate.ts';
import { RegistryClient } from './client.ts';
import { digestOf } from './digest.ts';
import type { RegistryOptions } from './transport.ts';

const BODY = Buffer.from('a layer somewhere else');
const LAYER = { digest: digestOf(BODY), size: BODY.length };
const CREDENTIALS = { username: 'ann', password: 'secret' };
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((close) => close()));
});

async function start(options: FaultyRegistryOptions = {}): Promise<FaultyRegistry> {
  const registry = await startFaultyRegistry(options);
  cleanups.push(() => registry.close());
  registry.content.addBlob('app', BODY);
  return registry;
}

function connect(registry: FaultyRegistry, options: RegistryOptions): RegistryClient {
  const client = new RegistryClient({ registries: { [registry.host]: options }, userAgent: 'test', retryDelay: 1 });
  cleanups.push(() => client.close());
  return client;
}

async function read(
  client: RegistryClient,
  registry: FaultyRegistry,
  range?: { offset: number; length: number },
): Promise<string> {
  const call = { credentials: CREDENTIALS, range };
  const stream = await client.blob({ registry: registry.host, repository: 'app' }, LAYER, call);
  return Buffer.concat((await stream.toArray()) as Buffer[]).toString();
}

describe('redirects', () => {
  for (const scheme of ['Basic', 'Bearer'] as const) {
    test(`to another host are followed without the Authorization (${scheme})`, async () => {
      const registry = await start();
      registry.requireAuthorization({ scheme, users: { ann: 'secret' } });
      const client = connect(registry, { plainHTTP: true });
      assert.equal(
        await client.blobExists({ registry: registry.host, repository: 'app' }, LAYER.digest, {
          credentials: CREDENTIALS,
        }),
        BODY.length,
      );
      registry.fail({ path: /blobs/, fault: 'redirectToStorage' });
      assert.equal(await read(client, registry), BODY.toString());
      assert.equal(await read(client, registry, { offset: 2, length: 5 }), 'layer');
      assert.match(String(registry.requests.at(-1)?.headers.authorization), new RegExp(`^${scheme} `));
      assert.equal(registry.storageRequests.length, 2);
      for (const { headers, query } of registry.storageRequests) {
        assert.equal(headers.authorization, undefined);
        assert.equal(query, '?X-Signature=signed-secret');
      }
    });
  }

  test('within the same host keep the Authorization', async () => {
    const registry = await start();
    registry.requireAuthorization({ scheme: 'Basic', users: { ann: 'secret' } });
    const client = connect(registry, { plainHTTP: true });
    registry.fail({ fault: { redirect: `/v2/app/blobs/${LAYER.digest}?moved` }, times: 1 });
    assert.equal(await read(client, registry), BODY.toString());
  });

  test('that never end are given up, and never carry the Authorization once it was dropped', async () => {
    const registry = await start();
    registry.requireAuthorization({ scheme: 'Basic', users: { ann: 'secret' } });
    const client = connect(registry, { plainHTTP: true });
    await client.blobExists({ registry: registry.host, repository: 'app' }, LAYER.digest, { credentials: CREDENTIALS });
    registry.requests.length = 0;
    registry.fail({ fault: 'redirectLoop' });
    await assert.rejects(read(client, registry), { kind: 'Unreachable', message: /more than 5 redirects/ });
    const authorized = registry.requests.filter(({ headers }) => headers.authorization !== undefined);
    assert.equal(authorized.length, 3, 'the first request of each of three attempts');
    assert.equal(
      registry.requests.length + registry.storageRequests.length,
      3 * 6,
      'one request and five redirects each',
    );
    assert.ok(registry.storageRequests.every(({ headers }) => headers.authorization === undefined));
  });

  for (const scheme of ['Basic', 'Bearer'] as const) {
    test(`to a host that asks for credentials do not get it any (${scheme})`, async () => {
      const registry = await start();
      const thief = await start();
      thief.requireAuthorization({ scheme, users: { ann: 'secret' } });
      registry.fail({ fault: { redirect: `${thief.origin}/v2/app/blobs/${LAYER.digest}?sig=secret` } });
      const call = read(connect(registry, { plainHTTP: true }), registry);
      await assert.rejects(call, (error: Error & { kind: string }) => {
        assert.equal(error.kind, 'Unreachable');
        assert.match(error.message, new RegExp(`${thief.host}, where ${registry.host} redirected to, answered 401`));
        assert.doesNotMatch(error.message, /sig/);
        return true;
      });
      const seen = [...thief.requests, ...registry.requests];
      assert.ok(seen.every(({ path, headers }) => headers.authorization === undefined && path !== '/token'));
    });
  }

  test('from HTTPS to HTTP, to link-local addresses and to nowhere are refused', async () => {
    const registry = await start({ tls: loopbackCertificate });
    const client = connect(registry, { ca: loopbackCertificate.cert });
    const plain = await start();
    registry.fail({ fault: { redirect: `${plain.origin}/v2/app/blobs/${LAYER.digest}` }, times: 1 });
    await assert.rejects(read(client, registry), { kind: 'Unsupported', message: /which is not HTTPS/ });
    assert.equal(plain.requests.length, 0);
    registry.fail({ fault: { redirect: 'https://169.254.169.254/latest/meta-data' }, times: 1 });
    await assert.rejects(read(client, registry), { kind: 'Refused', message: /link-local address/ });
    registry.fail({ fault: { redirect: 'https://[' }, times: 1 });
    await assert.rejects(read(client, registry), { kind: 'Invalid', message: /without a usable Location/ });
  });
});

describe('a registry that no admin listed', () => {
  test('is not connected to on this machine or in the cluster', async () => {
    const registry = await start();
    const client = new RegistryClient({ refusedNetworks: [], userAgent: 'test', retryDelay: 1 });
    cleanups.push(() => client.close());
    for (const host of [registry.host, `localhost:${new URL(registry.origin).port}`, 'registry.shop.svc:5000']) {
      await assert.rejects(client.resolve({ registry: host, repository: 'app', tag: '1' }), {
        kind: 'Refused',
        message: /list it under registries/,
      });
    }
    assert.equal(registry.requests.length, 0);
  });

  for (const host of ['127.0.0.2', 'localhost']) {
    test(`leads nobody to ${host}, neither by a redirect nor for a token`, async () => {
      const internal = new BlockList();
      internal.addAddress('127.0.0.2');
      const registry = await start();
      const inside = await start();
      inside.requireAuthorization({ scheme: 'Bearer', users: { ann: 'secret' } });
      const client = connect(registry, { plainHTTP: true, internal });
      const place = `http://${host}:${new URL(inside.origin).port}`;
      registry.fail({ fault: { redirect: `${place}/v2/app/blobs/${LAYER.digest}` }, times: 1 });
      await assert.rejects(read(client, registry), { kind: 'Refused' });
      registry.requireAuthorization({ scheme: 'Bearer', realm: `${place}/token` });
      await assert.rejects(read(client, registry), { kind: 'Refused' });
      assert.equal(inside.requests.length, 0);
    });
  }

  test('that is listed may', async () => {
    const registry = await start();
    registry.fail({ fault: 'redirectToStorage' });
    const registries = { [registry.host]: { plainHTTP: true } };
    const client = new RegistryClient({ registries, refusedNetworks: [], userAgent: 'test', retryDelay: 1 });
    cleanups.push(() => client.close());
    assert.equal(await read(client, registry), BODY.toString());
  });
});

describe('TLS', () => {
  test('trusts the certificates given for the registry, also at the hosts it redirects to', async () => {
    const registry = await start({ tls: loopbackCertificate });
    registry.fail({ fault: 'redirectToStorage' });
    assert.equal(await read(connect(registry, { ca: loopbackCertificate.cert }), registry), BODY.toString());
  });

  test('trusts nobody else, and says what to do', async () => {
    const registry = await start({ tls: loopbackCertificate });
    await assert.rejects(read(connect(registry, {}), registry), {
      kind: 'Unreachable',
      message: /not trusted .*set ca/,
    });
  });

  test('is never left for plain HTTP by itself', async () => {
    const registry = await start();
    await assert.rejects(read(connect(registry, {}), registry), { kind: 'Unreachable', message: /set plainHTTP/ });
    assert.equal(registry.requests.length, 0);
  });

  test('is what a token service must speak before it sees credentials', async () => {
    const registry = await start({ tls: loopbackCertificate });
    const plain = await start();
    plain.requireAuthorization({ scheme: 'Bearer', users: { ann: 'secret' } });
    registry.requireAuthorization({ scheme: 'Bearer', realm: `${plain.origin}/token` });
    const client = connect(registry, { ca: loopbackCertificate.cert });
    await assert.rejects(read(client, registry), { kind: 'Unsupported', message: /which is not HTTPS/ });
    assert.equal(plain.requests.length, 0);
  });
});

test('a host that has no address is Unreachable', async () => {
  const client = new RegistryClient({ userAgent: 'test', retryDelay: 1 });
  cleanups.push(() => client.close());
  await assert.rejects(client.resolve({ registry: 'no-such-host.invalid', repository: 'a', tag: '1' }), {
    kind: 'Unreachable',
  });
});
