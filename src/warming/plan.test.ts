import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFaultyRegistry, type FaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import { Config } from '../config.ts';
import { RegistryClient } from '../registry/client.ts';
import { planImages, type PlannedImage } from './plan.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';

let faulty: FaultyRegistry;
let registry: RegistryClient;

before(async () => {
  faulty = await startFaultyRegistry();
  registry = new RegistryClient({ registries: { [faulty.host]: { plainHTTP: true } }, userAgent: 'slipstream/test' });
});
after(async () => {
  await registry.close();
  await faulty.close();
});

function plan(image: string): Promise<PlannedImage[]> {
  return planImages([`${faulty.host}/${image}`], {
    registry,
    config: Config.parse({ conversion: { image: 'none' }, registries: [{ host: faulty.host, plainHTTP: true }] }),
    platforms: ['linux/amd64'],
    credentialsFor: async () => undefined,
    signal: new AbortController().signal,
  });
}

test('of an index the platform of the nodes is warmed, with config and layers', async () => {
  const { platforms } = faulty.addImage('web', '1', { platforms: ['linux/amd64', 'linux/arm64'] });
  const [amd64] = platforms;
  const planned = await plan('web:1');
  assert.deepEqual(
    planned.map(({ digest, warm }) => ({ digest, blobs: warm.blobs.map((blob) => blob.digest) })),
    [
      {
        digest: amd64?.digest,
        blobs: [amd64?.manifest.config.digest, ...(amd64?.manifest.layers ?? []).map((layer) => layer.digest)],
      },
    ],
  );
});

test('of a Zran index the layers of the source are warmed, too, in which the data is', async () => {
  const source = faulty.addImage('data', undefined, { layers: [Buffer.from('the data')] });
  const [original] = source.platforms[0]?.manifest.layers ?? [];
  const blob = Buffer.from('an index over the data');
  const index = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: source.platforms[0]?.manifest.config,
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.nydus.blob.v1',
        digest: faulty.content.addBlob('data', blob),
        size: blob.length,
        annotations: { 'containerd.io/snapshot/nydus-ref': original?.digest },
      },
    ],
    subject: { mediaType: MANIFEST, digest: source.digest, size: source.body.length },
  };
  const made = faulty.content.addManifest('data', undefined, Buffer.from(JSON.stringify(index)), MANIFEST);
  const platform = { os: 'linux', architecture: 'amd64' };
  const manifests = [
    { mediaType: MANIFEST, digest: made.digest, size: made.body.length, platform },
    {
      mediaType: MANIFEST,
      digest: source.digest,
      size: source.body.length,
      platform: { os: 'unknown', architecture: 'unknown' },
    },
  ];
  const root = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
  faulty.content.addManifest('data', '1-nydus', root, INDEX);

  const planned = await plan('data:1-nydus');
  assert.deepEqual(
    planned.map(({ digest }) => digest),
    [made.digest, source.digest],
  );
  assert.ok(planned[1]?.warm.blobs.some(({ digest, size }) => digest === original?.digest && size === original?.size));
});
