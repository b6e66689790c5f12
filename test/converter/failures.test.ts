import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { pino } from 'pino';
import { toolPath } from '../../hack/tools/locate.ts';
import { convert } from '../../src/converter/convert.ts';
import { ConvertRequest } from '../../src/converter/options.ts';
import type { ConvertFailure } from '../../src/converter/result.ts';
import { parseDockerConfig } from '../../src/registry/auth.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { sha256 } from '../doubles/faulty-registry/content.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import {
  buildImage,
  buildIndexOf,
  buildTar,
  descriptor,
  file,
  layerOf,
  noise,
  stored,
} from '../support/image-builder.ts';
import type { BuiltImage, Layer, Stored } from '../support/image-builder.ts';
import { smallImage } from './images.ts';

let registry: FaultyRegistry;
let client: RegistryClient;
let workDir: string;
let request: ConvertRequest;
let nydusImage: string;
let stop: AbortController;

before(async () => {
  workDir = await mkdtemp(join(tmpdir(), 'failures-test-'));
});
after(() => rm(workDir, { recursive: true }));
beforeEach(async () => {
  registry = await startFaultyRegistry();
  const registries = { [registry.host]: { plainHTTP: true } };
  client = new RegistryClient({ registries, userAgent: 'slipstream/test', retryDelay: 1 });
  nydusImage = toolPath('nydus-image');
  stop = new AbortController();
  request = ConvertRequest.parse({
    source: `${registry.host}/app:1`,
    target: `${registry.host}/app:1-nydus`,
    platforms: ['linux/amd64'],
    format: 'RafsV6',
    compressor: 'zstd',
    prefetchPaths: [],
    optionsHash: 'options',
    workDir: join(workDir, 'work'),
    registries,
  });
  add(await smallImage('content'));
});
afterEach(async () => {
  await client.close();
  await registry.close();
});

function add({ manifest, blobs }: Pick<BuiltImage, 'manifest' | 'blobs'>): void {
  addManifest(manifest);
  for (const { body } of blobs) {
    registry.content.addBlob('app', body);
  }
}

function addManifest({ mediaType, body }: Stored, name = '1'): void {
  registry.content.addManifest('app', name, body, mediaType);
}

/** Converts, expects a failure, and checks what every failure must leave: no tag, no open upload, no file. */
async function failure(): Promise<Omit<ConvertFailure, 'ok'>> {
  const result = await convert(
    request,
    {
      registry: client,
      credentials: { source: parseDockerConfig('{}'), target: parseDockerConfig('{}') },
      log: pino({ level: 'silent' }),
      nydusImage,
      onProgress: () => undefined,
    },
    stop.signal,
  );
  assert.ok(!result.ok, 'the conversion failed');
  assert.equal(registry.content.manifest('app', '1-nydus'), undefined, 'the tag was not touched');
  assert.equal(registry.openUploads, 0, 'no upload was left open');
  assert.deepEqual(await readdir(join(workDir, 'work')).catch(() => []), [], 'no file was left');
  const { ok: _, ...rest } = result;
  return rest;
}

async function expectFailure(reason: string, permanent: boolean, message: RegExp): Promise<void> {
  const result = await failure();
  assert.deepEqual({ reason: result.reason, permanent: result.permanent }, { reason, permanent }, result.message);
  assert.match(result.message, message);
}

describe('a source that cannot be converted is refused for good', () => {
  test('when it is not there', async () => {
    request.source = `${registry.host}/app:2`;
    await expectFailure('SourceNotFound', true, /app:2/);
  });

  test('when the credentials are refused', async () => {
    registry.fail({ fault: { answer: 403, code: 'DENIED' }, path: /manifests/ });
    await expectFailure('CredentialsRejected', true, /app:1/);
  });

  test('when it is a chart and no image', async () => {
    const config = stored('application/vnd.cncf.helm.config.v1+json', { name: 'chart' });
    const layer = { ...stored('application/vnd.cncf.helm.chart.content.v1.tar+gzip', {}) };
    const manifest = stored('application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      config: descriptor(config),
      layers: [descriptor(layer)],
    });
    add({ manifest, blobs: [config, layer] });
    await expectFailure('SourceNotAnImage', true, /helm\.config/);
  });

  test('when it is a Nydus image already', async () => {
    const image = await smallImage('content');
    const manifest = JSON.parse(image.manifest.body.toString()) as { layers: object[] };
    manifest.layers.push({ ...manifest.layers[0], annotations: { 'containerd.io/snapshot/nydus-bootstrap': 'true' } });
    add({ manifest: stored(image.manifest.mediaType, manifest), blobs: image.blobs });
    await expectFailure('SourceNotAnImage', true, /Nydus image already/);
  });

  test('when its config is none', async () => {
    const config = stored('application/vnd.oci.image.config.v1+json', { nothing: 'useful' });
    const manifest = stored('application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      config: descriptor(config),
      layers: [descriptor(config)].map((layer) => ({ ...layer, mediaType: 'application/vnd.oci.image.layer.v1.tar' })),
    });
    add({ manifest, blobs: [config] });
    await expectFailure('SourceNotAnImage', true, /app:1 is no container image.*architecture/);
  });

  test('when it has no layers', async () => {
    add(buildImage([]));
    await expectFailure('ConversionFailed', true, /has no layers/);
  });

  test('when a layer is of a kind that nobody can unpack', async () => {
    const image = await smallImage('content');
    const manifest = JSON.parse(image.manifest.body.toString()) as { layers: { mediaType: string }[] };
    for (const layer of manifest.layers) {
      layer.mediaType += '+encrypted';
    }
    add({ manifest: stored(image.manifest.mediaType, manifest), blobs: image.blobs });
    await expectFailure('ConversionFailed', true, /layer sha256:\w+ .*\+encrypted/);
  });

  test('when it does not offer the platform, and says what it offers', async () => {
    request.platforms = ['linux/arm64'];
    await expectFailure('PlatformMissing', true, /does not offer linux\/arm64; it offers linux\/amd64/);
  });

  test('when an index lacks one of several platforms, attestations and Nydus manifests aside', async () => {
    const image = await smallImage('content');
    const index = JSON.parse(buildIndexOf([image]).body.toString()) as { manifests: object[] };
    const [amd64] = index.manifests;
    index.manifests.push(
      { ...amd64, platform: { os: 'unknown', architecture: 'unknown' } },
      {
        ...amd64,
        platform: { os: 'linux', architecture: 'arm64' },
        artifactType: 'application/vnd.nydus.image.manifest.v1+json',
      },
    );
    addManifest(stored('application/vnd.oci.image.index.v1+json', index));
    request.platforms = ['linux/amd64', 'linux/arm64'];
    await expectFailure('PlatformMissing', true, /does not offer linux\/amd64, linux\/arm64; it offers linux\/amd64$/);
  });
});

describe('a layer whose digest is a lie is never converted', () => {
  /** An image whose one layer is sent as other bytes than its digest says. */
  async function lyingImage(layer: Layer, body: Buffer): Promise<{ promised: string; sent: string }> {
    const image = buildImage([layer]);
    add(image);
    const promised = image.blobs[1]?.digest ?? '';
    const { content } = registry;
    const honest = content.blob.bind(content);
    content.blob = (repository, digest) => (digest === promised ? body : honest(repository, digest));
    return { promised, sent: sha256(body) };
  }

  const tarOf = (seed: string): Promise<Buffer> => buildTar([file('big', noise(1 << 20, seed))]);
  const lies: Record<string, () => Promise<[Layer, Buffer]>> = {
    'though they are a good layer': async () => [layerOf(await tarOf('lie'), 'none'), await tarOf('truth')],
    'and cannot even be decompressed': async () => {
      const layer = layerOf(await tarOf('lie'));
      return [layer, Buffer.alloc(layer.body.length, 'garbage')];
    },
    'in a single bit at the end': async () => {
      const layer = layerOf(await tarOf('lie'));
      const body = Buffer.from(layer.body);
      body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
      return [layer, body];
    },
  };
  for (const [name, make] of Object.entries(lies)) {
    test(`when the bytes are others, ${name}`, async () => {
      const { promised, sent } = await lyingImage(...(await make()));
      const result = await failure();
      assert.deepEqual([result.reason, result.permanent], ['ConversionFailed', true], result.message);
      assert.ok(result.message.includes(`layer ${promised}`), result.message);
      assert.ok(result.message.includes(sent), result.message);
    });
  }

  test('when there are fewer bytes than promised', async () => {
    const layer = layerOf(await tarOf('lie'));
    await lyingImage(layer, layer.body.subarray(0, -1));
    await expectFailure('ConversionFailed', true, /layer sha256:/);
  });
});

test('a layer that is broken though its digest is right fails for good, and is named', async () => {
  const [config] = (await smallImage('content')).blobs;
  assert.ok(config !== undefined);
  const { body } = layerOf(await buildTar([file('big', noise(1 << 20, 'broken'))]));
  body.fill(0, 500_000, 501_000);
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: sha256(body), body };
  const manifest = stored('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    config: descriptor(config),
    layers: [descriptor(layer)],
  });
  add({ manifest, blobs: [config, layer] });
  await expectFailure('ConversionFailed', true, new RegExp(`^decompress layer ${layer.digest}`));
});

describe('a passing failure is reported as one', () => {
  test('when the registry asks to slow down', async () => {
    registry.fail({ fault: { answer: 429, headers: { 'retry-after': '30' } }, path: /blobs\/sha256/, method: 'GET' });
    await expectFailure('RateLimited', false, /30s/);
  });

  test('when the registry answers with errors of its own', async () => {
    registry.fail({ fault: { answer: 503 }, path: /manifests/ });
    await expectFailure('RegistryUnreachable', false, /503/);
  });

  test('when the target takes nothing', async () => {
    registry.fail({ fault: { answer: 503 }, path: /uploads/ });
    await expectFailure('RegistryUnreachable', false, /^push a layer to .*app:1-nydus/);
  });

  test('when nydus-image fails, with what it said', async () => {
    nydusImage = join(workDir, 'broken-nydus-image');
    await writeFile(
      nydusImage,
      `#!/bin/sh\n[ "$1" = --version ] && exec ${toolPath('nydus-image')} --version\necho no memory >&2; exit 1\n`,
    );
    await chmod(nydusImage, 0o755);
    await expectFailure(
      'ConversionFailed',
      false,
      /^convert layer sha256:.*nydus-image create exited with 1: no memory$/,
    );
  });

  test('when nydus-image is killed in the middle of a layer', async () => {
    add(buildImage([layerOf(await buildTar([file('big', noise(8 << 20, 'killed'))]), 'none')]));
    nydusImage = join(workDir, 'killed-nydus-image');
    const script = `[ "$1" = --version ] && exec ${toolPath('nydus-image')} --version
for tar; do :; done
head -c 1000000 "$tar" > /dev/null
kill -KILL $$`;
    await writeFile(nydusImage, `#!/bin/sh\n${script}\n`);
    await chmod(nydusImage, 0o755);
    await expectFailure('ConversionFailed', false, /nydus-image create was killed by SIGKILL/);
  });

  test('when the Job is told to stop in the middle of a layer', async () => {
    const image = buildImage([layerOf(await buildTar([file('big', noise(8 << 20, 'stopped'))]), 'none')]);
    add(image);
    const layer = image.blobs[1]?.digest ?? '';
    registry.fail({ fault: 'stall', path: new RegExp(layer), method: 'GET' });
    const failing = failure();
    while (!registry.requests.some(({ path, method }) => method === 'GET' && path.endsWith(layer))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop.abort();
    assert.deepEqual(await failing, {
      reason: 'ConversionFailed',
      message: 'the conversion was stopped',
      permanent: false,
    });
  });
});

test('a connection that breaks once in the middle of a layer does not cost the conversion', async () => {
  const image = buildImage([layerOf(await buildTar([file('big', noise(4 << 20, 'resumed'))]), 'none')]);
  add(image);
  registry.fail({ fault: 'truncate', path: new RegExp(image.blobs[1]?.digest ?? ''), method: 'GET', times: 1 });
  const options = { log: pino({ level: 'silent' }), nydusImage, onProgress: () => undefined };
  const result = await convert(request, { registry: client, credentials: {}, ...options }, stop.signal);
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(registry.openUploads, 0);
});

test('an artifact whose blobs are gone when it is to be published is not published', async () => {
  registry.fail({ fault: { answer: 404 }, path: /blobs\/sha256/, method: 'HEAD' });
  await expectFailure('VerificationFailed', false, /blobs pushed for .*app:1-nydus are not in the registry: sha256:/);
});
