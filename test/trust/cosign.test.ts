import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RegistryClient } from '../../src/registry/client.ts';
import { isIndex, type Manifest } from '../../src/registry/schema.ts';
import { BOOTSTRAP_SIGNATURE_ANNOTATION } from '../../src/trust/bootstrap.ts';
import { readClaims } from '../../src/trust/claims.ts';
import { judge, type Judgement } from '../../src/trust/judge.ts';
import { requirementsFor } from '../../src/trust/policy.ts';
import { readPrivateKey, type SigningKey } from '../../src/trust/privatekey.ts';
import type { Origin } from '../../src/trust/provenance.ts';
import { seal } from '../../src/trust/seal.ts';
import { signArtifact } from '../../src/trust/sign.ts';
import { startHarness, succeeded, type Harness } from '../converter/harness.ts';
import { cosign, generateKeys, signImage, type CosignKeys } from '../support/cosign.ts';
import { buildImage, buildTar, file, layerOf, pushImage } from '../support/image-builder.ts';
import { bootOf } from '../support/bootstrap.ts';

const signal = new AbortController().signal;
let folder: string;
let harness: Harness;
let registry: RegistryClient;
let keys: CosignKeys;
let others: CosignKeys;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trust-test-'));
  harness = await startHarness();
  registry = new RegistryClient({ registries: { [harness.host]: { plainHTTP: true } }, userAgent: 'slipstream-test' });
  [keys, others] = [await generateKeys(folder, 'mine'), await generateKeys(folder, 'theirs')];
});
after(async () => {
  await registry?.close();
  await harness?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function push(repository: string): Promise<string> {
  const layer = layerOf(await buildTar([file('hello', `hello from ${repository}`)]));
  await pushImage(harness.host, repository, '1', [buildImage([layer])]);
  return (await registry.resolve({ registry: harness.host, repository, tag: '1' })).digest;
}

async function judgementOf(repository: string, digest: string, { publicPem }: CosignKeys): Promise<Judgement> {
  const claims = await readClaims({ registry: harness.host, repository }, digest, { registry });
  return judge(claims, requirementsFor(repository, [], [publicPem]), repository);
}

describe('a source that cosign signed', () => {
  for (const layout of ['bundle', 'tag'] as const) {
    test(`is trusted by its key and by no other, signed as a ${layout}`, async () => {
      const repository = `source-${layout}`;
      const digest = await push(repository);
      const unsigned = await judgementOf(repository, digest, keys);
      assert.ok(!unsigned.trusted && unsigned.missing, JSON.stringify(unsigned));

      await signImage(folder, `${harness.host}/${repository}@${digest}`, keys, layout);
      assert.deepEqual(await judgementOf(repository, digest, keys), { trusted: true });
      const judged = await judgementOf(repository, digest, others);
      assert.ok(!judged.trusted && !judged.missing);
      assert.match(judged.message, /none of the keys made it/);
    });

    test(`is not trusted when its ${layout} is of another image`, async () => {
      const repository = `moved-${layout}`;
      const digest = await push(repository);
      await signImage(folder, `${harness.host}/${repository}@${digest}`, keys, layout);
      const other = `sha256:${'1'.repeat(64)}`;
      await misplace(repository, digest, other);
      const judged = await judgementOf(repository, other, keys);
      assert.ok(!judged.trusted && !judged.missing, JSON.stringify(judged));
      assert.match(judged.message, new RegExp(`it is of ${digest}`));
    });
  }

  test('is not trusted when the payload of its signature was changed', async () => {
    const digest = await push('tampered');
    await signImage(folder, `${harness.host}/tampered@${digest}`, keys, 'tag');
    const { manifest } = await registry.manifest({
      registry: harness.host,
      repository: 'tampered',
      tag: tagOf(digest),
    });
    assert.ok(!isIndex(manifest) && manifest.layers[0] !== undefined);
    const [layer] = manifest.layers;
    const other = `sha256:${'2'.repeat(64)}`;
    const payload = (await harness.storedBlob(layer.digest)).toString('utf8').replace(digest, other);
    const blob = await registry.pushBlob({ registry: harness.host, repository: 'tampered' }, Buffer.from(payload));
    await registry.pushManifest(
      { registry: harness.host, repository: 'tampered', tag: tagOf(other) },
      Buffer.from(JSON.stringify({ ...manifest, layers: [{ ...layer, ...blob }] })),
      'application/vnd.oci.image.manifest.v1+json',
    );
    const judged = await judgementOf('tampered', other, keys);
    assert.ok(!judged.trusted && /none of the keys made it/.test(judged.message), JSON.stringify(judged));
  });
});

function tagOf(digest: string): string {
  return `${digest.replace(':', '-')}.sig`;
}

/** Puts the signatures of one digest where those of another are looked for. */
async function misplace(repository: string, from: string, to: string): Promise<void> {
  const place = { registry: harness.host, repository };
  const type = 'application/vnd.oci.image.index.v1+json';
  const bundles = await registry.referrers(place, from);
  if (bundles.length > 0) {
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: bundles }));
    await registry.pushManifest({ ...place, tag: to.replace(':', '-') }, index, type);
    return;
  }
  const { body, descriptor } = await registry.manifest({ ...place, tag: tagOf(from) });
  await registry.pushManifest({ ...place, tag: tagOf(to) }, body, descriptor.mediaType);
}

describe('an artifact that was signed', () => {
  let key: SigningKey;
  let rsa: SigningKey;
  before(async () => {
    key = await readPrivateKey(keys.privatePem, keys.password, 'cosign.key');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    rsa = await readPrivateKey(privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(), '', 'bootstrap.key');
  });

  async function converted(repository: string): Promise<Origin> {
    await push(repository);
    const result = succeeded(await harness.convert(`${repository}:1`, `${repository}:1-nydus`));
    const place = { registry: harness.host, repository };
    return {
      artifact: { ...place, digest: result.digest },
      platforms: result.platforms,
      source: { ...place, digest: result.sourceDigest },
      format: 'RafsV6',
      optionsHash: 'sha256:options',
      builder: result.builder,
      convertedAt: '2026-11-23T12:00:00.000Z',
    };
  }

  const access = () => ({ registry, signal });
  const offline = ['--insecure-ignore-tlog=true', '--allow-insecure-registry'];

  test('is verified by cosign with its key, and by no other', async () => {
    const origin = await converted('artifact');
    await signArtifact(origin, key, access());
    const image = `${harness.host}/artifact:1-nydus`;
    const [verified] = JSON.parse(await cosign(folder, 'verify', '--key', keys.publicKey, ...offline, image)) as {
      critical: { image: Record<string, string> };
    }[];
    assert.equal(verified?.critical.image['docker-manifest-digest'], origin.artifact.digest);
    await assert.rejects(
      cosign(folder, 'verify', '--key', others.publicKey, ...offline, image),
      /no matching|invalid/i,
    );
  });

  test('says what it was made of, in an attestation that cosign verifies', async () => {
    const origin = await converted('attested');
    await signArtifact(origin, key, access());
    const args = ['--type', 'slsaprovenance1', ...offline, `${harness.host}/attested:1-nydus`];
    const line = await cosign(folder, 'verify-attestation', '--key', keys.publicKey, ...args);
    const { payload } = JSON.parse(line) as { payload: string };
    const { predicate } = JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as {
      predicate: {
        buildDefinition: { internalParameters: object; resolvedDependencies: { digest: { sha256: string } }[] };
        runDetails: { builder: { version: object } };
      };
    };
    const { buildDefinition, runDetails } = predicate;
    assert.equal(`sha256:${buildDefinition.resolvedDependencies[0]?.digest.sha256}`, origin.source.digest);
    assert.deepEqual(buildDefinition.internalParameters, { optionsHash: 'sha256:options' });
    assert.deepEqual(runDetails.builder.version, { 'nydus-image': origin.builder });
    await assert.rejects(
      cosign(folder, 'verify-attestation', '--key', others.publicKey, ...args),
      /no matching|invalid/i,
    );
  });

  test('is not signed a second time, and keeps the signatures of others', async () => {
    const origin = await converted('twice');
    const first = await signArtifact(origin, key, access());
    assert.deepEqual(await signArtifact(origin, key, access()), first);
    const image = `${harness.host}/twice@${origin.artifact.digest}`;
    await signArtifact(origin, await readPrivateKey(others.privatePem, others.password, 'theirs'), access());
    for (const { publicKey } of [keys, others]) {
      await cosign(folder, 'verify', '--key', publicKey, ...offline, image);
      await cosign(folder, 'verify-attestation', '--key', publicKey, '--type', 'slsaprovenance1', ...offline, image);
    }
  });

  test('has bootstraps that nydus-snapshotter can check, and the same digests each time', async () => {
    const { artifact, platforms } = await converted('sealed');
    const target = { registry: harness.host, repository: 'sealed', tag: '1-nydus' };
    const digests = await seal(target, { digest: artifact.digest, platforms }, rsa, access());
    const digest = digests.get(artifact.digest) ?? '';
    assert.notEqual(digest, artifact.digest);
    assert.equal((await registry.resolve(target)).digest, digest, 'the tag names what is sealed');
    assert.deepEqual(await seal(target, { digest: artifact.digest, platforms }, rsa, access()), digests);
    const again = await seal(target, { digest, platforms: [{ platform: 'linux/amd64', digest }] }, rsa, access());
    assert.equal(again.get(digest), digest);

    const layer = (await harness.manifest<Manifest>('sealed', digest)).layers.at(-1);
    const signature = Buffer.from(layer?.annotations?.[BOOTSTRAP_SIGNATURE_ANNOTATION] ?? '', 'base64');
    const boot = await bootOf(await harness.storedBlob(layer?.digest ?? ''));
    assert.ok(verify('sha256', boot, rsa.public.key, signature));
  });
});
