import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RegistryClient } from '../../src/registry/client.ts';
import type { Manifest } from '../../src/registry/schema.ts';
import { BOOTSTRAP_SIGNATURE_ANNOTATION } from '../../src/trust/bootstrap.ts';
import { readPrivateKey, type SigningKey } from '../../src/trust/privatekey.ts';
import { seal } from '../../src/trust/seal.ts';
import { startHarness, succeeded, type Harness } from '../converter/harness.ts';
import { buildImage, buildTar, file, layerOf, pushImage } from '../support/image-builder.ts';
import { extractLayers } from '../support/rootfs.ts';
import { startSnapshotter, type BootstrapLayer, type Snapshotter } from '../support/snapshotter.ts';
import { gunzipSync } from 'node:zlib';

let harness: Harness;
let registry: RegistryClient;
let key: SigningKey;
let snapshotter: Snapshotter;

before(async () => {
  harness = await startHarness();
  registry = new RegistryClient({ registries: { [harness.host]: { plainHTTP: true } }, userAgent: 'slipstream-test' });
  key = await rsaKey();
  // As docs/trust.md says: openssl rsa -RSAPublicKey_out.
  snapshotter = await startSnapshotter(key.public.key.export({ type: 'pkcs1', format: 'pem' }).toString());
});
after(async () => {
  await snapshotter?.[Symbol.asyncDispose]();
  await registry?.close();
  await harness?.[Symbol.asyncDispose]();
});

async function rsaKey(): Promise<SigningKey> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  return await readPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), '', 'bootstrap.key');
}

/** Converts an image, signs its bootstrap, and returns its layer as containerd finds it. */
async function sealed(repository: string, by: SigningKey): Promise<BootstrapLayer> {
  const layer = layerOf(await buildTar([file('hello', `hello from ${repository}`)]));
  await pushImage(harness.host, repository, '1', [buildImage([layer])]);
  const result = succeeded(await harness.convert(`${repository}:1`, `${repository}:1-nydus`));
  const target = { registry: harness.host, repository, tag: '1-nydus' };
  const signal = new AbortController().signal;
  await seal(target, { digest: result.digest, platforms: result.platforms }, by, { registry, signal });
  const { digest = '', annotations = {} } =
    (await harness.manifest<Manifest>(repository, '1-nydus')).layers.at(-1) ?? {};
  return {
    digest,
    annotations,
    unpack: async (folder) => extractLayers([gunzipSync(await harness.storedBlob(digest))], folder),
  };
}

describe('nydus-snapshotter with validate_signature', () => {
  test('runs an artifact whose bootstrap the operator signed', async () => {
    const root = await snapshotter.run(`${harness.host}/signed:1-nydus`, await sealed('signed', key));
    assert.equal(await readFile(join(root, 'hello'), 'utf8'), 'hello from signed');
  });

  test('refuses it when its bootstrap was tampered with', async () => {
    const layer = await sealed('tampered', key);
    const tampered = async (folder: string): Promise<void> => {
      await layer.unpack(folder);
      await using boot = await open(join(folder, 'image/image.boot'), 'r+');
      const { size } = await boot.stat();
      // Padding: nothing but the signature notices.
      await boot.write(Buffer.from([1]), 0, 1, size - 1);
    };
    const run = snapshotter.run(`${harness.host}/tampered:1-nydus`, { ...layer, unpack: tampered });
    await assert.rejects(run, /verify signature of daemon .*verification error/);
  });

  test('refuses one that another key signed, and one that nobody did', async () => {
    const layer = await sealed('foreign', await rsaKey());
    await assert.rejects(snapshotter.run(`${harness.host}/foreign:1-nydus`, layer), /verification error/);
    const { [BOOTSTRAP_SIGNATURE_ANNOTATION]: _, ...annotations } = layer.annotations;
    const unsigned = snapshotter.run(`${harness.host}/foreign:1-nydus`, { ...layer, annotations });
    await assert.rejects(unsigned, /bootstrap signature is required/);
  });
});
