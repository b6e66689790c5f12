import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';
import type { ClusterNode } from '../../../hack/cluster/cluster.ts';
import { toolPath } from '../../../hack/tools/locate.ts';
import { execute } from '../../../hack/tools/process.ts';
import { pods, secrets } from '../../../src/kube/resources.ts';
import { RegistryClient } from '../../../src/registry/client.ts';
import { digestOf } from '../../../src/registry/digest.ts';
import { parseReference } from '../../../src/registry/reference.ts';
import { Manifest, MEDIA_TYPES } from '../../../src/registry/schema.ts';
import { convertDirectly } from '../../bench/convert-directly.ts';
import { pushNoiseImage } from '../../support/noise-image.ts';
import {
  accelerate,
  createPod,
  isRewritten,
  namespace,
  openWorld,
  OPERATOR_NAMESPACE,
  output,
  REGISTRY,
  removePod,
  until,
  type World,
} from './world.ts';

const CHART = fileURLToPath(new URL('../../../charts/slipstream', import.meta.url));
const SECRET = 'slipstream-signing';
const SOURCE = `${REGISTRY}/trust/signed:1`;

let world: World;
let node: ClusterNode;
let registry: RegistryClient;
let artifact: string;

before(async () => {
  world = await openWorld();
  const last = world.cluster.nodes.at(-1);
  assert.ok(last !== undefined);
  node = last;
  registry = new RegistryClient({ registries: { [REGISTRY]: { plainHTTP: true } }, userAgent: 'slipstream-e2e' });

  const cosign = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bootstrap = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
  await world.client.create(secrets, {
    metadata: { namespace: OPERATOR_NAMESPACE, name: SECRET },
    data: {
      'cosign.key': Buffer.from(pem(cosign.privateKey)).toString('base64'),
      'bootstrap.key': Buffer.from(pem(bootstrap.privateKey)).toString('base64'),
    },
  });
  const where = ['--namespace', OPERATOR_NAMESPACE, '--wait', '--timeout', '3m'];
  const values = ['--reuse-values', '--set', `trust.signing.secret=${SECRET}`];
  await execute(toolPath('helm'), ['upgrade', 'slipstream', CHART, ...where, ...values]);

  await pushNoiseImage(SOURCE, 1);
  const { status } = await accelerate(world, 'signed', SOURCE);
  assert.ok(status?.conditions?.some((condition) => condition.type === 'Signed' && condition.status === 'True'));
  artifact = status?.artifact?.image ?? '';
  await validateSignatures(bootstrap.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString());
});

after(async () => {
  await registry?.close();
  await world?.client.close();
});

/** Turns it on for a node, as docs/trust.md says. */
async function validateSignatures(publicKey: string): Promise<void> {
  const folder = join(world.cluster.layout.state, node.name);
  const [config, key] = [join(folder, 'snapshotter.toml'), join(folder, 'bootstrap.pub')];
  await writeFile(key, publicKey);
  const image = `[image]\n  validate_signature = true\n  public_key_file = '${key}'\n`;
  await writeFile(config, `${await readFile(config, 'utf8')}${image}`);
  await world.cluster.control(`${node.name}-nydus-snapshotter`, 'stop');
  await world.cluster.control(`${node.name}-nydus-snapshotter`, 'start');
}

/** The signed artifact with a bit of its bootstrap changed that nothing but the signature notices: padding at the end. */
async function tamperedArtifact(): Promise<string> {
  const reference = parseReference(artifact);
  const place = { registry: reference.registry, repository: reference.repository };
  const manifest = Manifest.parse((await registry.manifest(reference)).manifest);
  const config = await registry.imageConfig(place, manifest.config);
  const layer = manifest.layers.at(-1);
  assert.ok(layer !== undefined);
  const tar = await tamper(gunzipSync(await buffer(await registry.blob(place, layer))));
  config.rootfs.diff_ids[config.rootfs.diff_ids.length - 1] = digestOf(tar);
  const changed = {
    ...manifest,
    config: { ...manifest.config, ...(await registry.pushBlob(place, Buffer.from(JSON.stringify(config)))) },
    layers: [...manifest.layers.slice(0, -1), { ...layer, ...(await registry.pushBlob(place, gzipSync(tar))) }],
  };
  const body = Buffer.from(JSON.stringify(changed));
  const digest = await registry.pushManifest({ ...place, tag: 'tampered' }, body, MEDIA_TYPES.ociManifest);
  return `${REGISTRY}/${place.repository}@${digest}`;
}

async function tamper(tar: Buffer): Promise<Buffer> {
  const [entries, changed] = [extract(), pack()];
  entries.end(tar);
  for await (const entry of entries) {
    const content = await buffer(entry);
    if (entry.header.name === 'image/image.boot') {
      content.writeUInt8(content.readUInt8(content.length - 1) ^ 1, content.length - 1);
    }
    changed.entry(entry.header, content);
  }
  changed.finalize();
  return await buffer(changed);
}

/** Has a Pod start from an artifact on the node; gives what the kubelet says of its container not starting. */
async function refusal(name: string, image: string): Promise<string> {
  await createPod(world, name, { image, command: ['/bin/true'], node: node.name, runtimeClassName: 'nydus' });
  let message = '';
  await until(`the container of ${name} is refused`, async () => {
    const { status } = await world.client.get(pods, { namespace, name });
    assert.notEqual(status?.phase, 'Succeeded');
    const waiting = status?.containerStatuses?.[0]?.state?.waiting;
    message = waiting?.message ?? '';
    return waiting?.reason === 'CreateContainerError';
  });
  await removePod(world, name);
  return message;
}

describe('a node whose nydus-snapshotter validates signatures', () => {
  test('starts a Pod from an artifact that the operator signed', async () => {
    // Each replica sees by itself that the artifact is Ready.
    await until('Pods are rewritten', () => isRewritten(world, SOURCE, node.name));
    const command = ['/bin/sh', '-c', 'cat /noise | wc -c'];
    const admitted = await createPod(world, 'signed', { image: SOURCE, command, node: node.name });
    assert.equal(admitted.spec?.containers[0]?.image, artifact);
    assert.equal(Number(await output(world, 'signed')), 2 ** 20);
    await removePod(world, 'signed');
  });

  test('refuses one whose bootstrap was tampered with', async () => {
    assert.match(
      await refusal('tampered', await tamperedArtifact()),
      /verify signature of daemon .*verification error/,
    );
  });

  test('refuses one that nobody signed', async () => {
    const unsigned = `${REGISTRY}/trust/unsigned:1`;
    await pushNoiseImage(unsigned, 1);
    const message = await refusal('unsigned', await convertDirectly(unsigned, `${unsigned}-nydus`));
    assert.match(message, /bootstrap signature is required/);
  });
});
