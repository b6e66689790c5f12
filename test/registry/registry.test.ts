import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseDockerConfig } from '../../src/registry/auth.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { digestOf } from '../../src/registry/digest.ts';
import { RegistryError } from '../../src/registry/errors.ts';
import { isIndex, MEDIA_TYPES } from '../../src/registry/schema.ts';
import type { Descriptor } from '../../src/registry/schema.ts';
import { startFaultyRegistry } from '../doubles/faulty-registry.ts';
import { startDistribution } from './distribution.ts';
import type { Distribution } from './distribution.ts';
import { startTokenService } from './token-service.ts';
import type { TokenService } from './token-service.ts';

const MIB = 1024 * 1024;
const ANN = { username: 'ann', password: 'secret' };
/** bcrypt of "secret". */
const HTPASSWD = 'ann:$2a$05$ce3E3JEX2YdGOv5ei8tmNeekUIWU/9SfEdOcgV.zFaFuS1ZmLQnlu\n';

function connect(host: string): RegistryClient {
  return new RegistryClient({ registries: { [host]: { plainHTTP: true } }, userAgent: 'slipstream-test' });
}

function json(document: object): Buffer {
  return Buffer.from(JSON.stringify(document));
}

function is(kind: string): (error: unknown) => boolean {
  return (error) => error instanceof RegistryError && error.kind === kind;
}

const implementations: [name: string, start: () => Promise<Distribution>][] = [
  ['distribution', startDistribution],
  ['the double that stands in for a registry in other tests', startFaultyRegistry],
];
for (const [name, start] of implementations) {
  describe(`against ${name}`, () => {
    const layer = randomBytes(20 * MIB);
    let registry: Distribution;
    let client: RegistryClient;
    let app: { registry: string; repository: string };

    before(async () => {
      registry = await start();
      client = connect(registry.host);
      app = { registry: registry.host, repository: 'team/web/app' };
    });

    after(async () => {
      await client?.close();
      await registry?.close();
    });

    async function pushImage(tag: string, architecture: string): Promise<Descriptor> {
      const config = await client.pushBlob(
        app,
        json({ os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: [] } }),
      );
      const body = json({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
        layers: [],
      });
      const digest = await client.pushManifest({ ...app, tag }, body, MEDIA_TYPES.ociManifest);
      return { mediaType: MEDIA_TYPES.ociManifest, digest, size: body.length, platform: { os: 'linux', architecture } };
    }

    test('a blob that is sent in chunks can be read back, whole and in parts', async () => {
      const digest = digestOf(layer);
      assert.equal(await client.blobExists(app, digest), undefined);
      const upload = await client.startUpload(app);
      for (let at = 0; at < layer.length; at += MIB) {
        await upload.write(layer.subarray(at, at + MIB));
      }
      await upload.commit(digest);
      assert.equal(await client.blobExists(app, digest), layer.length);
      const whole = await client.blob(app, { digest, size: layer.length });
      assert.ok(Buffer.concat((await whole.toArray()) as Buffer[]).equals(layer));
      const range = { offset: 7 * MIB + 5, length: 1000 };
      const part = await client.blob(app, { digest, size: layer.length }, { range });
      assert.ok(
        Buffer.concat((await part.toArray()) as Buffer[]).equals(
          layer.subarray(range.offset, range.offset + range.length),
        ),
      );
    });

    test('a blob whose digest is wrong is not kept', async () => {
      const upload = await client.startUpload(app);
      await upload.write(Buffer.from('these bytes'));
      const wrong = digestOf(Buffer.from('other bytes'));
      await assert.rejects(upload.commit(wrong), is('DigestMismatch'));
      await upload.abort();
      assert.equal(await client.blobExists(app, wrong), undefined);
    });

    test('an upload that is aborted cannot be gone on with', async () => {
      const upload = await client.startUpload(app);
      await upload.abort();
      await assert.rejects(upload.write(Buffer.alloc(9 * MIB)), is('NotFound'));
    });

    test('a blob is mounted from another repository, if it is there', async () => {
      const { digest, size } = await client.pushBlob(app, Buffer.from('shared between repositories'));
      const other = { ...app, repository: 'team/other' };
      assert.equal(await client.mount(other, digest, 'team/none'), false);
      assert.equal(await client.blobExists(other, digest), undefined);
      assert.equal(await client.mount(other, digest, app.repository), true);
      assert.equal(await client.blobExists(other, digest), size);
    });

    test('an image and an index are pushed, resolved and read, by tag and by digest', async () => {
      const images = [await pushImage('amd64', 'amd64'), await pushImage('arm64', 'arm64')];
      const index = json({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: images });
      const digest = await client.pushManifest({ ...app, tag: 'v1' }, index, MEDIA_TYPES.ociIndex);
      const expected = { mediaType: MEDIA_TYPES.ociIndex, digest, size: index.length };
      assert.deepEqual(await client.resolve({ ...app, tag: 'v1' }), expected);
      assert.deepEqual(await client.resolve({ ...app, digest }), expected);
      const { manifest, body } = await client.manifest({ ...app, tag: 'v1', digest });
      assert.ok(body.equals(index) && isIndex(manifest));
      assert.deepEqual(manifest.manifests, images);
      const child = await client.manifest({ ...app, digest: images[1]?.digest ?? '' });
      assert.ok(!isIndex(child.manifest));
      assert.equal((await client.imageConfig(app, child.manifest.config)).architecture, 'arm64');
    });

    test('what is not there is NotFound', async () => {
      await assert.rejects(client.resolve({ ...app, tag: 'none' }), is('NotFound'));
      await assert.rejects(client.manifest({ ...app, repository: 'no/such/repository', tag: 'v1' }), is('NotFound'));
      const stream = client.blob(app, { digest: digestOf(Buffer.from('nowhere')), size: 7 });
      await assert.rejects(stream, is('NotFound'));
    });

    test('a tag is deleted, and what it pointed to stays', async () => {
      const { digest } = await pushImage('old', 'amd64');
      await pushImage('kept', 'amd64');
      await client.deleteTag({ ...app, tag: 'old' });
      await assert.rejects(client.resolve({ ...app, tag: 'old' }), is('NotFound'));
      await assert.rejects(client.deleteTag({ ...app, tag: 'old' }), is('NotFound'));
      assert.equal((await client.resolve({ ...app, tag: 'kept' })).digest, digest);
    });
  });
}

describe('a registry behind a network that cuts connections', () => {
  let registry: Distribution;
  let proxy: Server;
  let cuts = 0;
  before(async () => {
    registry = await startDistribution();
    const [, port] = registry.host.split(':');
    proxy = createServer((downstream) => {
      const upstream = createConnection(Number(port), '127.0.0.1');
      const cut = (): void => {
        downstream.destroy();
        upstream.destroy();
      };
      downstream.on('error', cut).on('close', cut).pipe(upstream).on('error', cut).on('close', cut).pipe(downstream);
      downstream.on('data', () => {
        if (downstream.bytesRead > 3 * MIB && cuts < 3) {
          cuts += 1;
          cut();
        }
      });
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });
  after(async () => {
    proxy?.close();
    await registry?.close();
  });

  test('gets a blob whole whose chunks were cut in the middle', async () => {
    const { port } = proxy.address() as AddressInfo;
    const app = { registry: `127.0.0.1:${port}`, repository: 'app' };
    const client = connect(app.registry);
    const blob = randomBytes(20 * MIB);
    const upload = await client.startUpload(app);
    for (let at = 0; at < blob.length; at += 2 * MIB) {
      await upload.write(blob.subarray(at, at + 2 * MIB));
    }
    await upload.commit(digestOf(blob));
    assert.equal(await client.blobExists(app, digestOf(blob)), blob.length);
    // How many connections there are, and so how many are cut, is the pool's affair.
    assert.ok(cuts > 0);
    await client.close();
  });
});

describe('a registry that does not delete', () => {
  let registry: Distribution;
  before(async () => {
    registry = await startDistribution(() => ({}));
  });
  after(() => registry?.close());

  test('is Unsupported', async () => {
    const client = connect(registry.host);
    const tag = { registry: registry.host, repository: 'app', tag: 'v1' };
    await assert.rejects(client.deleteTag(tag), is('Unsupported'));
    await client.close();
  });
});

describe('a registry with user names and passwords', () => {
  let registry: Distribution;
  let client: RegistryClient;
  before(async () => {
    registry = await startDistribution(async (folder) => {
      await writeFile(join(folder, 'htpasswd'), HTPASSWD);
      return { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } };
    });
    client = connect(registry.host);
  });
  after(async () => {
    await client?.close();
    await registry?.close();
  });

  test('lets in whom a docker config names for it', async () => {
    const app = { registry: registry.host, repository: 'app' };
    const auth = Buffer.from('ann:secret').toString('base64');
    const store = parseDockerConfig(JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const credentials = store.lookup(app.registry, app.repository);
    const { digest, size } = await client.pushBlob(app, Buffer.from('x'), { credentials });
    assert.equal(await client.blobExists(app, digest, { credentials }), size);
    await assert.rejects(client.blobExists(app, digest), is('Unauthorized'));
    await assert.rejects(
      client.blobExists(app, digest, { credentials: { ...ANN, password: 'no' } }),
      is('Unauthorized'),
    );
    assert.equal(await client.pullAuthorization(app, { credentials }), undefined);
  });
});

describe('a registry with tokens', () => {
  let tokens: TokenService;
  let registry: Distribution;
  let client: RegistryClient;
  before(async () => {
    tokens = await startTokenService();
    registry = await startDistribution(async (folder) => {
      await writeFile(join(folder, 'jwks.json'), tokens.jwks);
      const token = { ...tokens.settings, jwks: join(folder, 'jwks.json') };
      return { auth: { token }, storage: { delete: { enabled: true } } };
    });
    client = connect(registry.host);
  });
  after(async () => {
    await client?.close();
    await registry?.close();
    await tokens?.close();
  });

  test('is pushed to, mounted in, read from and deleted from with credentials', async () => {
    const from = { registry: registry.host, repository: 'public/base' };
    const app = { registry: registry.host, repository: 'private/app' };
    const { digest } = await client.pushBlob(from, Buffer.from('{}'), { credentials: ANN });
    assert.equal(await client.mount(app, digest, from.repository, { credentials: ANN }), true);
    const manifest = json({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, digest, size: 2 },
      layers: [],
    });
    await client.pushManifest({ ...app, tag: 'v1' }, manifest, MEDIA_TYPES.ociManifest, { credentials: ANN });
    assert.equal((await client.resolve({ ...app, tag: 'v1' }, { credentials: ANN })).digest, digestOf(manifest));
    await client.deleteTag({ ...app, tag: 'v1' }, { credentials: ANN });
    await assert.rejects(client.resolve({ ...app, tag: 'v1' }, { credentials: ANN }), is('NotFound'));
    assert.deepEqual(tokens.asked, [
      ['repository:public/base:pull,push'],
      ['repository:private/app:pull,push', 'repository:public/base:pull'],
      ['repository:private/app:pull,push'],
      ['repository:private/app:pull'],
      ['repository:private/app:delete,pull,push'],
    ]);
  });

  test('cancels the upload that a refused mount opened', async () => {
    const app = { registry: registry.host, repository: 'private/app' };
    assert.equal(await client.mount(app, digestOf(Buffer.from('none')), 'public/base', { credentials: ANN }), false);
  });

  test('takes a refresh token', async () => {
    const app = { registry: registry.host, repository: 'private/refreshed' };
    const credentials = { identityToken: 'refresh-ann' };
    const { digest, size } = await client.pushBlob(app, Buffer.from('x'), { credentials });
    assert.equal(await client.blobExists(app, digest, { credentials }), size);
  });

  test('lets everybody read what is public, and nothing else', async () => {
    const open = { registry: registry.host, repository: 'public/base' };
    assert.equal(await client.blobExists(open, digestOf(Buffer.from('{}'))), 2);
    await assert.rejects(client.pushBlob(open, Buffer.from('y')), is('Unauthorized'));
    await assert.rejects(
      client.blobExists({ ...open, repository: 'private/app' }, digestOf(Buffer.from('{}'))),
      is('Unauthorized'),
    );
    await assert.rejects(
      client.resolve({ ...open, tag: 'v1' }, { credentials: { ...ANN, password: 'no' } }),
      is('Unauthorized'),
    );
  });

  test('gives a token that someone else can pull with', async () => {
    const app = { registry: registry.host, repository: 'private/refreshed' };
    const authorization = (await client.pullAuthorization(app, { credentials: ANN })) ?? '';
    const url = `http://${registry.host}/v2/${app.repository}/blobs/${digestOf(Buffer.from('x'))}`;
    assert.equal((await fetch(url, { headers: { authorization } })).status, 200);
    assert.equal((await fetch(url)).status, 401);
  });
});
