import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import pino from 'pino';
import { startFaultyRegistry, type FaultyRegistry } from '../../../test/doubles/faulty-registry.ts';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { buildTar, file } from '../../../test/support/image-builder.ts';
import { Config } from '../../config.ts';
import { BOOTSTRAP_ANNOTATION, BOOTSTRAP_LAYER_TYPE } from '../../converter/nydus.ts';
import { ownTag } from '../../converter/owntag.ts';
import { RegistryClient } from '../../registry/client.ts';
import { MEDIA_TYPES } from '../../registry/schema.ts';
import { attestationTag, signatureTag } from '../../trust/cosign.ts';
import { readPrivateKey, type SigningKey } from '../../trust/privatekey.ts';
import type { SigningKeys } from '../signing-keys.ts';
import { removeTags } from './remove-tags.ts';
import { renewSignature } from './renew-signature.ts';
import { signAndRemember } from './signed-tags.ts';
import { startPass, type Dependencies, type Pass } from './pass.ts';

const TAG = '1-nydus';
const OPTIONS = 'sha256:options';

let registry: FaultyRegistry;
let client: RegistryClient;
let cosign: SigningKey;
let bootstrap: SigningKey;
let otherBootstrap: SigningKey;
let repository: string;
let number = 0;

before(async () => {
  registry = await startFaultyRegistry();
  client = new RegistryClient({ registries: { [registry.host]: { plainHTTP: true } }, userAgent: 'slipstream-test' });
  cosign = await keyOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  bootstrap = await keyOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
  otherBootstrap = await keyOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
});
after(async () => {
  await client?.close();
  await registry?.close();
});
beforeEach(() => {
  registry.recover();
  repository = `web-${(number += 1)}`;
});

async function keyOf(key: { export(options: object): unknown }): Promise<SigningKey> {
  return await readPrivateKey(String(key.export({ type: 'pkcs8', format: 'pem' })), '', 'test');
}

/** What a worker leaves behind: an artifact under both of its tags. */
async function convert() {
  const { content, host } = registry;
  const body = gzipSync(await buildTar([file('image/image.boot', `tree of ${repository}`)]));
  const layer = { mediaType: BOOTSTRAP_LAYER_TYPE, digest: content.addBlob(repository, body), size: body.length };
  const config = { mediaType: MEDIA_TYPES.ociConfig, digest: content.addBlob(repository, Buffer.from('{}')), size: 2 };
  const layers = [{ ...layer, annotations: { [BOOTSTRAP_ANNOTATION]: 'true' } }];
  const text = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers });
  const { digest } = content.addManifest(repository, TAG, Buffer.from(text), MEDIA_TYPES.ociManifest);
  content.addManifest(repository, ownTag(TAG, digest), Buffer.from(text), MEDIA_TYPES.ociManifest);
  return {
    image: `${host}/${repository}:${TAG}@${digest}`,
    digest,
    sourceDigest: `sha256:${'5'.repeat(64)}`,
    format: 'RafsV6' as const,
    builder: 'v2.2.0',
    convertedAt: '2026-01-01T00:00:00Z',
    platforms: [{ platform: 'linux/amd64', digest, size: 1, bootstrapSize: 1 }],
  };
}

function newPass(status: object = {}): Pass {
  const image = acceleratedImage('web', { spec: { source: { image: `${registry.host}/${repository}:1` } }, status });
  return startPass(image, pino({ level: 'silent' }), new AbortController().signal);
}

function dependencies(keys: SigningKeys | undefined): Dependencies {
  const config = Config.parse({
    conversion: { image: 'none' },
    registries: [{ host: registry.host, plainHTTP: true }],
  });
  const signingKeys = { load: async () => keys };
  return { registry: client, config, clock: new FakeClock(), signingKeys } as unknown as Dependencies;
}

const both = (): SigningKeys => ({ artifact: cosign, bootstrap });
const named = (tag: string): string | undefined => registry.content.manifest(repository, tag)?.digest;
const tagsIn = ({ status }: Pass, digest: string | undefined): string[] =>
  (status.history?.find((entry) => entry.digest === digest)?.tags ?? [])
    .map((tag) => tag.slice(`${registry.host}/${repository}:`.length))
    .toSorted();

/** All that a worker and the signing leave behind for an artifact. */
const allTags = (before: string, after: string): string[] =>
  [...new Set([TAG, ownTag(TAG, before), ownTag(TAG, after), signatureTag(after), attestationTag(after)])].toSorted();

describe('an artifact whose bootstraps are signed', () => {
  test('has every tag that was made for it, one of its own among them, and the status has them all', async () => {
    const artifact = await convert();
    const pass = newPass();
    await signAndRemember(artifact, [ownTag(TAG, artifact.digest), TAG], OPTIONS, pass, dependencies(both()));
    const { digest = '' } = pass.status.artifact ?? {};
    assert.notEqual(digest, artifact.digest);
    for (const tag of [TAG, ownTag(TAG, artifact.digest), ownTag(TAG, digest)]) {
      assert.equal(named(tag), digest, tag);
    }
    assert.deepEqual(tagsIn(pass, digest), allTags(artifact.digest, digest));
    assert.deepEqual(
      pass.status.history?.map((entry) => entry.digest),
      [digest],
    );
  });

  for (const [where, path] of [
    ['the signature', /manifests\/sha256-\w+\.sig$/],
    ['the attestation', /manifests\/sha256-\w+\.att$/],
    ['the tag of its own', /manifests\/1-nydus-\w{12}$/],
  ] as const) {
    test(`is the same in the end when the operator stops before ${where} is pushed`, async () => {
      const artifact = await convert();
      const made = [ownTag(TAG, artifact.digest), TAG];
      registry.fail({ method: 'PUT', path, fault: { answer: 403, code: 'DENIED' } });
      const broken = newPass();
      await assert.rejects(signAndRemember(artifact, made, OPTIONS, broken, dependencies(both())));
      assert.equal(broken.status.artifact, undefined);
      assert.notEqual(named(TAG), artifact.digest, 'its bootstraps were signed by then');
      registry.recover();

      const pass = newPass();
      await signAndRemember(artifact, made, OPTIONS, pass, dependencies(both()));
      const { digest = '' } = pass.status.artifact ?? {};
      assert.equal(named(ownTag(TAG, artifact.digest)), digest);
      assert.deepEqual(tagsIn(pass, digest), allTags(artifact.digest, digest));
    });
  }

  test('leaves a tag where it is that somebody has moved since the Job, and does not take it for its own', async () => {
    const artifact = await convert();
    const theirs = registry.addImage(repository, TAG, { layers: [Buffer.from('somebody built this')] });
    const pass = newPass();
    await signAndRemember(artifact, [ownTag(TAG, artifact.digest), TAG], OPTIONS, pass, dependencies(both()));
    const { digest = '' } = pass.status.artifact ?? {};
    assert.equal(named(TAG), theirs.digest);
    assert.deepEqual(
      tagsIn(pass, digest),
      allTags(artifact.digest, digest).filter((tag) => tag !== TAG),
    );
  });

  test('of which another cluster made every tag is signed, and leaves them and the signatures to that one', async () => {
    const artifact = await convert();
    const first = newPass();
    await signAndRemember(artifact, [ownTag(TAG, artifact.digest), TAG], OPTIONS, first, dependencies(both()));
    const second = newPass();
    await signAndRemember(artifact, [], OPTIONS, second, dependencies(both()));
    const { digest } = second.status.artifact ?? {};
    assert.equal(digest, first.status.artifact?.digest);
    assert.deepEqual(tagsIn(second, digest), []);
  });

  test('takes all of its tags along when it is removed, and keeps them for a Pod that runs it', async () => {
    const artifact = await convert();
    const pass = newPass();
    const deps = dependencies(both());
    await signAndRemember(artifact, [ownTag(TAG, artifact.digest), TAG], OPTIONS, pass, deps);
    const [entry] = pass.status.history ?? [];
    const { digest = '' } = pass.status.artifact ?? {};
    assert.ok(entry !== undefined);
    const others: ReadonlySet<string> = new Set();
    const remove = async (...running: string[]): Promise<Set<string>> => {
      const needs = { running: new Set(running), others };
      const fates = await removeTags(pass.image, entry, needs, deps, pass.signal);
      return new Set(fates.map((fate) => (fate.fate === 'left' ? fate.reason : fate.fate)));
    };
    assert.deepEqual(await remove(digest), new Set(['InUse']));
    assert.equal(named(signatureTag(digest)), pass.status.artifact?.signature?.digest);
    assert.deepEqual(await remove(), new Set(['removed']));
    for (const tag of allTags(artifact.digest, digest)) {
      assert.equal(named(tag), undefined, tag);
    }
    assert.ok(named(digest) !== undefined, 'only tags were removed');
  });
});

describe('an artifact that is in use', () => {
  test('stays as it is where it is signed with these keys', async () => {
    const artifact = await convert();
    const pass = newPass();
    await signAndRemember(artifact, [ownTag(TAG, artifact.digest), TAG], OPTIONS, pass, dependencies(both()));
    const before = structuredClone(pass.status);
    const asked = registry.requests.length;
    assert.deepEqual(await renewSignature(OPTIONS, pass, dependencies(both())), { next: 'continue' });
    assert.deepEqual(pass.status, before);
    assert.equal(registry.requests.length, asked);
  });

  test('gets another digest from a new bootstrap key, and the one before keeps a tag for its Pods', async () => {
    const artifact = await convert();
    const pass = newPass();
    await signAndRemember(artifact, [ownTag(TAG, artifact.digest), TAG], OPTIONS, pass, dependencies(both()));
    const old = pass.status.artifact?.digest ?? '';
    await renewSignature(OPTIONS, pass, dependencies({ artifact: cosign, bootstrap: otherBootstrap }));
    const { digest = '', signature } = pass.status.artifact ?? {};
    assert.notEqual(digest, old);
    assert.equal(signature?.bootstrapKey, otherBootstrap.public.id);
    assert.deepEqual([named(TAG), named(ownTag(TAG, digest)), named(ownTag(TAG, old))], [digest, digest, old]);
    assert.deepEqual(
      tagsIn(pass, digest),
      [TAG, ownTag(TAG, digest), signatureTag(digest), attestationTag(digest)].toSorted(),
    );
    assert.ok(tagsIn(pass, old).includes(ownTag(TAG, old)) && tagsIn(pass, old).includes(signatureTag(old)));
  });

  test('stays in use where it cannot be signed, and the condition says so', async () => {
    const artifact = await convert();
    registry.fail({ method: 'PUT', path: /manifests/, fault: { answer: 403, code: 'DENIED' } });
    const pass = newPass({ artifact });
    assert.deepEqual(await renewSignature(OPTIONS, pass, dependencies(both())), { next: 'continue' });
    assert.deepEqual(pass.status.artifact, artifact);
    const signed = pass.status.conditions?.find(({ type }) => type === 'Signed');
    assert.deepEqual([signed?.status, signed?.reason], ['False', 'CredentialsRejected']);
  });

  test('has no condition about signatures where the operator has no keys any more', async () => {
    const artifact = await convert();
    const pass = newPass();
    await signAndRemember(artifact, [TAG], OPTIONS, pass, dependencies(both()));
    await renewSignature(OPTIONS, pass, dependencies(undefined));
    assert.deepEqual(pass.status.conditions, []);
    assert.ok(tagsIn(pass, pass.status.artifact?.digest).includes(TAG));
  });
});
