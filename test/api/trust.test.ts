import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import type { Condition } from '../../src/api/v1alpha1/meta.ts';
import { acceleratedImages, jobs, secrets } from '../../src/kube/resources.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { readPrivateKey, type SigningKey } from '../../src/trust/privatekey.ts';
import { signArtifact } from '../../src/trust/sign.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { runJobs } from '../support/jobs.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

const namespace = 'team-a';
const operatorNamespace = 'slipstream-system';
const SECRET = 'signing';

let registry: FaultyRegistry;
let far: FaultyRegistry;
let client: RegistryClient;
let operator: RunningOperator;
let admin: KeyPair;
let tenant: KeyPair;
let signing: KeyPair;
let name: string;
let number = 0;

interface KeyPair {
  pem: string;
  publicPem: string;
  key: SigningKey;
}

async function keyPair(): Promise<KeyPair> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const text = (key: KeyObject, type: 'pkcs8' | 'spki'): string =>
    key.export({ type, format: 'pem' } as never).toString();
  const pem = text(privateKey, 'pkcs8');
  return { pem, publicPem: text(publicKey, 'spki'), key: await readPrivateKey(pem, '', 'test') };
}

before(async () => {
  [registry, far] = await Promise.all([startFaultyRegistry(), startFaultyRegistry()]);
  const hosts = [registry.host, far.host];
  client = new RegistryClient({
    registries: Object.fromEntries(hosts.map((host) => [host, { plainHTTP: true }])),
    userAgent: 'slipstream-test',
  });
  [admin, tenant, signing] = [await keyPair(), await keyPair(), await keyPair()];
  operator = await startOperator({
    registries: hosts.map((host) => ({ host, plainHTTP: true })),
    conversion: { image: 'slipstream:test', maxConcurrent: 8, maxConcurrentPerRegistry: 8 },
    trust: {
      sources: [{ images: [`${registry.host}/guarded-*`], publicKeys: [admin.publicPem] }],
      signing: { secret: SECRET },
    },
  });
});
after(async () => {
  await operator?.[Symbol.asyncDispose]();
  await client?.close();
  await Promise.all([registry, far].map((each) => each?.close()));
});
beforeEach(() => {
  name = `web-${(number += 1)}`;
});

async function accelerate(repository: string, spec: object = {}, source: object = {}): Promise<string> {
  const { digest } = registry.addImage(repository, '1', { layers: [Buffer.from(`source of ${repository}`)] });
  await operator.client.create(acceleratedImages, {
    metadata: { namespace, name },
    spec: { source: { image: `${registry.host}/${repository}:1`, interval: '10s', ...source }, ...spec },
  });
  return digest;
}

async function signSource(repository: string, digest: string, { key }: KeyPair): Promise<void> {
  const artifact = { registry: registry.host, repository, digest };
  const origin = {
    artifact,
    platforms: [],
    source: artifact,
    format: '',
    optionsHash: '',
    builder: '',
    convertedAt: '',
  };
  await signArtifact(origin, key, { registry: client });
}

async function current(): Promise<AcceleratedImage> {
  return await operator.client.get(acceleratedImages, { namespace, name });
}

/** Lets Jobs run until a condition says this, and gives its message. */
async function reaches(type: string, expected: string): Promise<string> {
  let found: Condition | undefined;
  await until(`${name} has ${type} ${expected}`, async () => {
    await runJobs(operator.client, namespace, [registry]);
    found = (await current()).status?.conditions?.find((condition) => condition.type === type);
    assert.equal(`${found?.status} ${found?.reason}`, expected, found?.message);
    return true;
  });
  return found?.message ?? '';
}

async function jobsOf(repository: string): Promise<number> {
  const { items } = await operator.client.list(jobs, { namespace });
  return items.filter(({ spec }) => JSON.stringify(spec).includes(`/${repository}:1@`)).length;
}

/** Has the operator look at the object at once, as it does when its spec changes. */
async function lookAgain(): Promise<void> {
  const spec = { conversion: { backoffLimit: 2 } };
  await operator.client.patch(acceleratedImages, { namespace, name }, { spec }, 'application/merge-patch+json');
}

/** Has the operator find this key; as it reads the Secret at most once a minute, only the first and a missing one are seen soon. */
async function putKey({ pem }: KeyPair): Promise<void> {
  await operator.client.create(secrets, {
    metadata: { namespace: operatorNamespace, name: SECRET },
    data: { 'cosign.key': Buffer.from(pem).toString('base64') },
  });
}

/** The first test: there is no key yet. */
test('an artifact that cannot be signed is not Ready, and the reason names the Secret and no key', async () => {
  await accelerate('keyless');
  const message = await reaches('Ready', 'False SigningKeyUnusable');
  assert.match(message, new RegExp(`Secret ${operatorNamespace}/${SECRET}.*does not exist`));
  assert.equal((await current()).status?.artifact, undefined);

  await putKey(signing);
  await lookAgain();
  await reaches('Ready', 'True Ready');
});

describe('an artifact', () => {
  test('is signed before it is Ready, with an attestation beside it, and the status says by which key', async () => {
    await accelerate('signed');
    await reaches('Ready', 'True Ready');
    const { artifact, conditions } = (await current()).status ?? {};
    assert.ok(conditions?.some(({ type, status }) => type === 'Signed' && status === 'True'));
    assert.equal(artifact?.signature?.key, signing.key.public.id);
    const tag = artifact?.digest.replace(':', '-');
    assert.equal(registry.content.manifest('signed', `${tag}.sig`)?.digest, artifact?.signature?.digest);
    assert.equal(registry.content.manifest('signed', `${tag}.att`)?.digest, artifact?.signature?.attestation);
  });

  test('takes its signatures along to a region', async () => {
    await accelerate('copied', { replicas: [{ region: 'eu', repository: `${far.host}/copies/copied` }] });
    await reaches('Replicated', 'True Replicated');
    const { artifact } = (await current()).status ?? {};
    const tag = artifact?.digest.replace(':', '-');
    assert.equal(far.content.manifest('copies/copied', `${tag}.sig`)?.digest, artifact?.signature?.digest);
    assert.equal(far.content.manifest('copies/copied', `${tag}.att`)?.digest, artifact?.signature?.attestation);
  });

  test('that the registry takes no signature of is not Ready, and says why', async () => {
    registry.fail({ method: 'PUT', path: /refused\/manifests\/.*\.sig/, fault: { answer: 403, code: 'DENIED' } });
    await accelerate('refused');
    const message = await reaches('Ready', 'False CredentialsRejected');
    assert.match(message, /refused:1-nydus@sha256:\w+ could not be signed/);
    await reaches('Signed', 'False CredentialsRejected');
    registry.recover();
    await lookAgain();
    await reaches('Ready', 'True Ready');
  });
});

describe('a source that must be signed', () => {
  test('by the configuration is not converted before it is, whatever the object says', async () => {
    const digest = await accelerate('guarded-web');
    const message = await reaches('Ready', 'False SignatureMissing');
    assert.match(message, /guarded-web:1@sha256:\w+ has no signature, which trust\.sources\[0\]/);
    await reaches('Stalled', 'True SignatureMissing');
    await reaches('SourceVerified', 'False SignatureMissing');
    assert.equal(await jobsOf('guarded-web'), 0);

    await signSource('guarded-web', digest, admin);
    await lookAgain();
    await reaches('Ready', 'True Ready');
    await reaches('SourceVerified', 'True SourceVerified');
    assert.equal(await jobsOf('guarded-web'), 1);
    assert.equal((await current()).status?.sourceVerification?.digest, digest);
  });

  test('is not converted by the signature of a key that may not sign it, not even if the object names that', async () => {
    const digest = await accelerate('guarded-theirs', {}, { verify: { publicKeys: [tenant.publicPem] } });
    await signSource('guarded-theirs', digest, tenant);
    assert.match(await reaches('Ready', 'False SignatureInvalid'), /trust\.sources\[0\].*none of the keys made it/);
    assert.equal(await jobsOf('guarded-theirs'), 0);
    await signSource('guarded-theirs', digest, admin);
    await lookAgain();
    await reaches('Ready', 'True Ready');
  });

  test('by its object is checked by the keys of the object', async () => {
    const digest = await accelerate('own', {}, { verify: { publicKeys: [tenant.publicPem] } });
    assert.match(await reaches('Ready', 'False SignatureMissing'), /spec\.source\.verify/);
    await signSource('own', digest, tenant);
    await lookAgain();
    await reaches('Ready', 'True Ready');
  });

  test('keeps the artifact that it has when its tag moves to what is not signed, and does not convert that', async () => {
    const digest = await accelerate('moving', {}, { verify: { publicKeys: [tenant.publicPem] } });
    await signSource('moving', digest, tenant);
    await reaches('Ready', 'True Ready');
    const before = (await current()).status?.artifact;
    registry.addImage('moving', '1', { layers: [Buffer.from('moved')] });
    await reaches('Ready', 'False SignatureMissing');
    assert.deepEqual((await current()).status?.artifact, before);
    assert.equal(await jobsOf('moving'), 1);
  });
});

/** The last test: everything has been logged and written by now. */
test('no private key is in a log or a status', async () => {
  const said = operator.lines.join('') + JSON.stringify(await operator.client.list(acceleratedImages, { namespace }));
  for (const { pem } of [admin, tenant, signing]) {
    const body = pem.split('\n').slice(1, -2).join('');
    assert.ok(!said.includes('PRIVATE KEY') && !said.includes(body.slice(0, 40)));
  }
});
