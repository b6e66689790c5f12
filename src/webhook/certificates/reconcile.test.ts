import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { loadKubeClient } from '../../kube/client.ts';
import type { Secret } from '../../kube/resources.ts';
import { startApiServer, type ApiServerDouble } from '../../../test/doubles/api-server.ts';
import { createObjectStore, type ObjectStore } from '../../../test/doubles/object-store.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { caBundleOf, decodeContents, servingCertificate } from './contents.ts';
import { PROPAGATION_MS } from './policy.ts';
import { reconcileCertificates } from './reconcile.ts';

const DAY = 24 * 60 * 60 * 1000;
const HOUR = 60 * 60 * 1000;
const SECRET_PATH = '/api/v1/namespaces/slipstream-system/secrets/slipstream-webhook-tls';
const CONFIGURATION_PATH = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/slipstream';

interface Fixture {
  store: ObjectStore;
  api: ApiServerDouble;
  clock: FakeClock;
  reconcile: () => Promise<number | undefined>;
  /** Writes since the last call. */
  writes: () => string[];
}

async function setUp(t: TestContext, { configuration = true } = {}): Promise<Fixture> {
  const store = createObjectStore();
  const api = await startApiServer(store.answer);
  const client = loadKubeClient({ kubeconfig: api.kubeconfig, userAgent: 'test' });
  t.after(async () => {
    await client.close();
    await api[Symbol.asyncDispose]();
  });
  if (configuration) {
    store.set(CONFIGURATION_PATH, {
      metadata: { name: 'slipstream' },
      webhooks: [
        {
          name: 'pods.slipstream.dev',
          clientConfig: { service: { namespace: 'slipstream-system', name: 'webhook' } },
          sideEffects: 'None',
        },
        { name: 'ephemeral.slipstream.dev', clientConfig: { url: 'https://localhost' } },
      ],
    });
  }
  const clock = new FakeClock(new Date('2026-03-01T00:00:00Z'));
  const log = pino({ level: 'silent' });
  const options = {
    client,
    clock,
    secret: { namespace: 'slipstream-system', name: 'slipstream-webhook-tls' },
    webhookConfiguration: 'slipstream',
    dnsNames: ['slipstream-webhook.slipstream-system.svc'],
  };
  let seen = 0;
  return {
    store,
    api,
    clock,
    reconcile: async () =>
      (await reconcileCertificates(options, { log, signal: AbortSignal.timeout(30_000) })).requeueAfter,
    writes() {
      const news = api.requests.slice(seen);
      seen = api.requests.length;
      return news
        .filter(({ method }) => method !== 'GET')
        .map(({ method, url }) => `${method} ${url.split('/').at(-1)}`);
    },
  };
}

function secretOf(store: ObjectStore): Secret {
  const secret = store.get(SECRET_PATH);
  assert.ok(secret, 'there is no Secret');
  return secret;
}

function caBundles(store: ObjectStore): unknown[] {
  const { webhooks } = store.get(CONFIGURATION_PATH) as unknown as {
    webhooks: { clientConfig: { caBundle?: string } }[];
  };
  return webhooks.map(({ clientConfig }) => clientConfig.caBundle);
}

test('a first install gets a Secret with a certificate, and every webhook trusts its authority', async (t) => {
  const { store, reconcile, writes } = await setUp(t);
  assert.equal(await reconcile(), HOUR);
  assert.deepEqual(writes(), ['POST secrets', 'PUT slipstream']);
  const secret = secretOf(store);
  assert.equal(secret.type, 'kubernetes.io/tls');
  assert.ok(servingCertificate(secret));
  const bundle = caBundleOf(decodeContents(secret));
  assert.deepEqual(caBundles(store), [bundle, bundle]);
});

test('what a webhook configuration holds besides stays', async (t) => {
  const { store, reconcile } = await setUp(t);
  await reconcile();
  const { webhooks } = store.get(CONFIGURATION_PATH) as unknown as {
    webhooks: { clientConfig: object; sideEffects?: string }[];
  };
  assert.deepEqual(Object.keys(webhooks[0]?.clientConfig ?? {}), ['service', 'caBundle']);
  assert.equal(webhooks[0]?.sideEffects, 'None');
});

test('nothing is written when nothing is due', async (t) => {
  const { reconcile, writes } = await setUp(t);
  await reconcile();
  writes();
  assert.equal(await reconcile(), HOUR);
  assert.deepEqual(writes(), []);
});

test('a caBundle that somebody changed or took away is put right', async (t) => {
  const { store, reconcile, writes } = await setUp(t);
  await reconcile();
  const good = caBundles(store);
  for (const caBundle of ['Zm9yZWlnbg==', undefined]) {
    const configuration = structuredClone(store.get(CONFIGURATION_PATH)) as unknown as {
      metadata: { name: string };
      webhooks: { clientConfig: object }[];
    };
    assert.ok(configuration.webhooks[1]);
    configuration.webhooks[1].clientConfig = { ...configuration.webhooks[1].clientConfig, caBundle };
    store.set(CONFIGURATION_PATH, { ...configuration });
    writes();
    await reconcile();
    assert.deepEqual(writes(), ['PUT slipstream']);
    assert.deepEqual(caBundles(store), good);
  }
});

test('a Secret that was deleted is made anew', async (t) => {
  const { store, reconcile } = await setUp(t);
  await reconcile();
  store.delete(SECRET_PATH);
  await reconcile();
  const bundle = caBundleOf(decodeContents(secretOf(store)));
  assert.deepEqual(caBundles(store), [bundle, bundle]);
});

test('without a webhook configuration the certificate is there all the same, for when it comes', async (t) => {
  const { store, reconcile } = await setUp(t, { configuration: false });
  assert.equal(await reconcile(), HOUR);
  assert.ok(servingCertificate(secretOf(store)));
});

test('data and metadata that are not ours stay in the Secret', async (t) => {
  const { store, reconcile } = await setUp(t);
  store.set(SECRET_PATH, {
    metadata: { name: 'slipstream-webhook-tls', namespace: 'slipstream-system', labels: { chart: 'x' } } as never,
    type: 'Opaque',
    data: { other: 'eA==' },
  });
  await reconcile();
  const secret = secretOf(store);
  assert.equal(secret.data?.['other'], 'eA==');
  assert.deepEqual(secret.metadata.labels, { chart: 'x' });
  assert.ok(servingCertificate(secret));
});

test('it comes back when a certificate is due, however the hours fall', async (t) => {
  const { store, clock, reconcile, writes } = await setUp(t);
  await reconcile();
  const before = secretOf(store).data?.['tls.crt'];
  clock.jump(60 * DAY - HOUR / 2);
  writes();
  assert.equal(await reconcile(), HOUR / 2);
  assert.deepEqual(writes(), []);
  clock.jump(HOUR / 2);
  await reconcile();
  assert.deepEqual(writes(), ['PUT slipstream-webhook-tls']);
  assert.notEqual(secretOf(store).data?.['tls.crt'], before);
});

test('a new authority is trusted before anything that it signed is served', async (t) => {
  const { store, clock, reconcile, writes } = await setUp(t);
  await reconcile();
  for (let day = 0; day < 240; day += 30) {
    clock.jump(30 * DAY);
    await reconcile();
  }
  const before = secretOf(store);
  clock.jump(4 * DAY);
  writes();
  assert.equal(await reconcile(), PROPAGATION_MS);
  assert.deepEqual(writes(), ['PUT slipstream-webhook-tls', 'PUT slipstream']);
  const during = secretOf(store);
  assert.equal(during.data?.['tls.crt'], before.data?.['tls.crt']);
  assert.equal(decodeContents(during).bundle.length, 2);
  assert.deepEqual(new Set(caBundles(store)), new Set([caBundleOf(decodeContents(during))]));

  clock.jump(PROPAGATION_MS);
  await reconcile();
  assert.deepEqual(writes(), ['PUT slipstream-webhook-tls']);
  assert.notEqual(secretOf(store).data?.['tls.crt'], before.data?.['tls.crt']);
});

test('while the caBundle cannot be written, no certificate of a new authority is issued', async (t) => {
  const { store, clock, reconcile, api } = await setUp(t);
  await reconcile();
  clock.jump(250 * DAY);
  // The serving certificate first, then the authority.
  await reconcile();
  await reconcile();
  const before = secretOf(store).data;
  store.set(CONFIGURATION_PATH, {
    metadata: { name: 'slipstream' },
    webhooks: [{ clientConfig: { caBundle: 'b2xk' } }],
  });
  store.beforeRequest(({ method, url }) => {
    if (method === 'PUT' && url === CONFIGURATION_PATH) {
      throw new Error('the connection breaks');
    }
  });
  clock.jump(PROPAGATION_MS);
  await assert.rejects(reconcile());
  assert.deepEqual(secretOf(store).data, before);
  assert.ok(api.requests.length > 0);
});

test('of two replicas that create the Secret at once, the second takes what the first made', async (t) => {
  const { store, reconcile, writes } = await setUp(t);
  await reconcile();
  const made = store.get(SECRET_PATH);
  assert.ok(made);
  store.delete(SECRET_PATH);
  store.beforeRequest(({ method }) => {
    if (method === 'POST') {
      store.set(SECRET_PATH, made);
    }
  });
  assert.equal(await reconcile(), 1000);
  assert.deepEqual(secretOf(store).data, made['data']);
  writes();
  await reconcile();
  assert.deepEqual(writes(), []);
});

test('of two replicas that renew at once, the second loses and looks again', async (t) => {
  const { store, clock, reconcile, writes } = await setUp(t);
  await reconcile();
  clock.jump(61 * DAY);
  const other = structuredClone(store.get(SECRET_PATH));
  assert.ok(other);
  store.beforeRequest(({ method, url }) => {
    if (method === 'PUT' && url === SECRET_PATH) {
      store.set(SECRET_PATH, other);
      store.beforeRequest(() => undefined);
    }
  });
  assert.equal(await reconcile(), 1000);
  writes();
  await reconcile();
  assert.deepEqual(writes(), ['PUT slipstream-webhook-tls']);
});
