import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { startFaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import type { Fault, FaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import { RegistryClient } from './client.ts';
import { digestOf } from './digest.ts';
import { RegistryError } from './errors.ts';
import type { RegistryErrorKind } from './errors.ts';
import { InvalidReferenceError } from './reference.ts';
import type { Reference } from './reference.ts';
import { isIndex, MEDIA_TYPES } from './schema.ts';

const MIB = 1024 * 1024;
let registry: FaultyRegistry;
let client: RegistryClient;
let image: Reference;

beforeEach(async () => {
  registry = await startFaultyRegistry();
  client = new RegistryClient({
    registries: { [registry.host]: { plainHTTP: true } },
    userAgent: 'slipstream-test',
    timeouts: { headers: 300, idle: 300, exchange: 1000 },
    retryDelay: 1,
  });
  image = { registry: registry.host, repository: 'team/app', tag: '1' };
});

afterEach(async () => {
  await client.close();
  await registry.close();
});

function requestsOf(method: string): number {
  return registry.requests.filter((request) => request.method === method).length;
}

function fails(kind: RegistryErrorKind, message = /./, more: Partial<RegistryError> = {}): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RegistryError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    for (const [key, value] of Object.entries(more)) {
      assert.equal(error[key as keyof RegistryError], value, key);
    }
    return true;
  };
}

describe('resolve', () => {
  test('asks with HEAD only, and says digest, type and size of what a tag points to', async () => {
    const { digest, mediaType, body } = registry.addImage('team/app', '1', {
      platforms: ['linux/amd64', 'linux/arm64'],
    });
    assert.deepEqual(await client.resolve(image), { digest, mediaType, size: body.length });
    assert.deepEqual(
      registry.requests.map(({ method, path }) => `${method} ${path}`),
      ['HEAD /v2/team/app/manifests/1'],
    );
  });

  test('the digest of a reference decides, not its tag', async () => {
    const old = registry.addImage('team/app', '1');
    const { digest } = registry.addImage('team/app', '1', { layers: [Buffer.from('new')] });
    assert.equal((await client.resolve(image)).digest, digest);
    assert.equal((await client.resolve({ ...image, digest: old.digest })).digest, old.digest);
  });

  const sayingTooLittle: Fault[] = [
    { answer: 405 },
    { without: 'docker-content-digest' },
    { without: 'content-type' },
    { without: 'content-length' },
  ];
  for (const fault of sayingTooLittle) {
    test(`reads the document where HEAD meets ${JSON.stringify(fault)}`, async () => {
      const { digest, mediaType, body } = registry.addImage('team/app', '1');
      registry.fail({ method: 'HEAD', fault });
      assert.deepEqual(await client.resolve(image), { digest, mediaType, size: body.length });
    });
  }

  test('a registry that offers another digest than asked for is not believed', async () => {
    const { digest } = registry.addImage('team/app', '1');
    registry.fail({ method: 'HEAD', fault: 'lieAboutDigest' });
    await assert.rejects(client.resolve({ ...image, digest }), fails('DigestMismatch', /offers sha256:/));
  });
});

describe('manifest', () => {
  for (const format of ['oci', 'docker'] as const) {
    test(`reads images and indexes of ${format}, by tag and by digest`, async () => {
      registry.addImage('team/app', '1', { format });
      const index = registry.addImage('team/app', 'many', { format, platforms: ['linux/amd64', 'linux/arm64/v8'] });
      const single = await client.manifest(image);
      assert.ok(!isIndex(single.manifest));
      assert.equal(single.descriptor.digest, digestOf(single.body));
      const many = await client.manifest({ ...image, tag: 'many' });
      assert.ok(isIndex(many.manifest));
      assert.deepEqual(
        many.manifest.manifests.map(({ platform }) => platform?.architecture),
        ['amd64', 'arm64'],
      );
      assert.deepEqual(await client.manifest({ ...image, digest: index.digest }), many);
    });
  }

  test('content with another digest than the registry announces, or than asked for, is refused', async () => {
    const { digest } = registry.addImage('team/app', '1');
    registry.fail({ fault: 'lieAboutDigest', times: 1 });
    await assert.rejects(client.manifest(image), fails('DigestMismatch', /team\/app:1: its content has the digest/));
    registry.fail({ fault: 'corrupt', times: 1 });
    await assert.rejects(client.manifest(image), fails('DigestMismatch'));
    const other = registry.addImage('team/app', '2', { layers: [Buffer.from('other')] });
    registry.fail({ fault: { redirect: `/v2/team/app/manifests/${other.digest}` }, times: 1 });
    await assert.rejects(client.manifest({ ...image, digest }), fails('DigestMismatch', new RegExp(`not ${digest}`)));
  });

  test('more than 4 MiB are not read', async () => {
    registry.addImage('team/app', '1');
    registry.fail({ fault: 'oversize' });
    await assert.rejects(client.manifest(image), fails('TooLarge', /more than 4194304 bytes/));
    assert.equal(requestsOf('GET'), 1);
  });

  test('a reference that breaks the grammar is never sent', async () => {
    await assert.rejects(client.manifest({ ...image, repository: '../../admin' }), InvalidReferenceError);
    await assert.rejects(client.blobExists(image, 'sha256:../x'), InvalidReferenceError);
    assert.equal(registry.requests.length, 0);
  });
});

describe('an answer that is a failure', () => {
  const cases: [fault: Fault, kind: RegistryErrorKind, message: RegExp, more?: Partial<RegistryError>][] = [
    [{ answer: 401 }, 'Unauthorized', /answered 401\. Check/, { status: 401 }],
    [{ answer: 403, code: 'DENIED' }, 'Unauthorized', /403 \(DENIED: denied\)/, { status: 403, code: 'DENIED' }],
    [{ answer: 404 }, 'NotFound', /answered 404\. Check its name/, { status: 404 }],
    [{ answer: 404, code: 'NAME_UNKNOWN' }, 'NotFound', /NAME_UNKNOWN/, { status: 404 }],
    [{ answer: 400, code: 'NAME_INVALID' }, 'Invalid', /NAME_INVALID/],
    [{ answer: 405 }, 'Unsupported', /405/],
    [{ answer: 302 }, 'Invalid', /without a usable Location/],
    [{ answer: 429 }, 'RateLimited', /Wait a while/, { retryAfter: undefined }],
    [{ answer: 429, headers: { 'retry-after': '90' } }, 'RateLimited', /Wait 90s/, { retryAfter: 90_000 }],
    [
      { answer: 429, headers: { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' } },
      'RateLimited',
      /429/,
      { retryAfter: 0 },
    ],
    [{ answer: 503, headers: { 'retry-after': '7' } }, 'Unreachable', /503/, { retryAfter: 7_000 }],
  ];
  for (const [fault, kind, message, more] of cases) {
    test(`${JSON.stringify(fault)} is ${kind}, at once`, async () => {
      registry.fail({ fault });
      await assert.rejects(client.manifest(image), fails(kind, message, more));
      assert.equal(registry.requests.length, 1);
    });
  }

  for (const fault of [{ answer: 500 }, { answer: 503 }, 'reset', 'hang', 'truncate', 'stall', 'slowLoris'] as const) {
    test(`${JSON.stringify(fault)} is tried three times, then Unreachable`, async () => {
      registry.addImage('team/app', '1');
      registry.fail({ fault });
      await assert.rejects(client.manifest(image), fails('Unreachable', /team\/app:1: 127\.0\.0\.1:\d+ /));
      assert.equal(registry.requests.length, 3);
    });
    test(`${JSON.stringify(fault)} is got over if it happens once`, async () => {
      const { digest } = registry.addImage('team/app', '1');
      registry.fail({ fault, times: 1 });
      assert.equal((await client.manifest(image)).descriptor.digest, digest);
    });
  }

  test('a registry that is not there is Unreachable', async () => {
    await registry.close();
    await assert.rejects(client.resolve(image), fails('Unreachable', /refused the connection; check that it is up/));
  });

  test('what a registry says is shown without what it must not show: control characters, signed URLs', async () => {
    registry.fail({
      fault: { answer: 400, code: 'BAD\u001b[31m https://s3.example.com/x?X-Amz-Signature=secret \n end' },
    });
    await assert.rejects(client.manifest(image), (error: Error) => {
      assert.match(error.message, /BAD \[31m https:\/\/s3\.example\.com\/x +end/);
      return true;
    });
  });
});

describe('a call that is aborted', () => {
  test('ends with the reason of its signal, and is not tried again', async () => {
    registry.fail({ fault: 'hang' });
    const reason = new Error('shutting down');
    const abort = new AbortController();
    const call = client.manifest(image, { signal: abort.signal });
    while (registry.requests.length === 0) {
      await new Promise(setImmediate);
    }
    abort.abort(reason);
    await assert.rejects(call, (error) => error === reason);
    await assert.rejects(client.manifest(image, { signal: abort.signal }), (error) => error === reason);
    assert.equal(registry.requests.length, 1);
  });

  test('ends a blob in the middle with the reason', async () => {
    const body = Buffer.alloc(MIB, 'x');
    const digest = registry.content.addBlob('team/app', body);
    registry.fail({ fault: 'stall' });
    const abort = new AbortController();
    const stream = await client.blob(image, { digest, size: body.length }, { signal: abort.signal });
    const reason = new Error('shutting down');
    stream.once('data', () => abort.abort(reason));
    await assert.rejects(stream.toArray(), (error) => error === reason);
  });
});

describe('blobs', () => {
  const body = Buffer.from('0123456789'.repeat(20_000));
  const digest = digestOf(body);
  const descriptor = { digest, size: body.length };

  async function read(range?: { offset: number; length: number }): Promise<Buffer> {
    const stream = await client.blob(image, descriptor, { range });
    return Buffer.concat((await stream.toArray()) as Buffer[]);
  }

  beforeEach(() => {
    registry.content.addBlob('team/app', body);
  });

  test('are there with their size, or not there', async () => {
    assert.equal(await client.blobExists(image, digest), body.length);
    assert.equal(await client.blobExists(image, digestOf(Buffer.from('other'))), undefined);
  });

  for (const fault of [{ answer: 401 }, { answer: 403 }, { answer: 429 }, { answer: 500 }] as const) {
    test(`are not said to be missing by ${fault.answer}`, async () => {
      registry.fail({ fault });
      await assert.rejects(client.blobExists(image, digest), RegistryError);
    });
  }

  test('of unknown size are not believed to be there', async () => {
    registry.fail({ fault: { without: 'content-length' } });
    await assert.rejects(client.blobExists(image, digest), fails('Unsupported', /how big/));
  });

  test('are read whole', async () => {
    assert.deepEqual(await read(), body);
  });

  for (const fault of ['corrupt', 'append', 'lieAboutLength'] as const) {
    test(`that ${fault} end with DigestMismatch`, async () => {
      registry.fail({ fault });
      await assert.rejects(read(), fails('DigestMismatch', new RegExp(`blob ${digest} of ${registry.host}/team/app`)));
    });
  }

  for (const fault of ['truncate', 'stall', 'hang'] as const) {
    test(`that ${fault} end as Unreachable, and not as if they were complete`, async () => {
      registry.fail({ fault });
      await assert.rejects(read(), fails('Unreachable', /team\/app: 127\.0\.0\.1/));
    });
  }

  test('are tried again until they begin', async () => {
    registry.fail({ fault: 'reset', times: 2 });
    assert.deepEqual(await read(), body);
  });

  test('may be left in the middle', async () => {
    const stream = await client.blob(image, descriptor);
    await new Promise((resolve) => stream.once('data', resolve));
    stream.destroy();
    assert.deepEqual(await read(), body);
  });

  test('are read in parts', async () => {
    assert.equal((await read({ offset: 13, length: 5 })).toString(), '34567');
    assert.equal(registry.requests[0]?.headers.range, 'bytes=13-17');
  });

  test('are not read in parts from a registry that sends the whole', async () => {
    registry.fail({ fault: 'ignoreRange' });
    await assert.rejects(read({ offset: 13, length: 5 }), fails('Unsupported', /cannot send a part/));
  });

  test('do not have parts beyond their end', async () => {
    await assert.rejects(read({ offset: body.length - 2, length: 5 }), fails('DigestMismatch', /came instead of/));
    await assert.rejects(read({ offset: body.length, length: 5 }), fails('Invalid', /416/));
  });

  test('that are configs are parsed', async () => {
    const { platforms } = registry.addImage('team/app', '1', { platforms: ['linux/arm64'] });
    const config = platforms[0]?.manifest.config;
    assert.ok(config);
    assert.equal((await client.imageConfig(image, config)).architecture, 'arm64');
    registry.fail({ fault: 'corrupt', times: 1 });
    await assert.rejects(client.imageConfig(image, config), fails('DigestMismatch'));
    registry.fail({ fault: 'oversize' });
    await assert.rejects(client.imageConfig(image, config), fails('TooLarge'));
  });
});

describe('pushManifest', () => {
  test('sends a manifest under its tag, or under its digest alone', async () => {
    const { body, digest } = registry.addImage('other', undefined);
    assert.equal(await client.pushManifest(image, body, MEDIA_TYPES.ociManifest), digest);
    assert.equal((await client.resolve(image)).digest, digest);
    const untagged = { registry: image.registry, repository: 'untagged' };
    assert.equal(await client.pushManifest(untagged, body, MEDIA_TYPES.ociManifest), digest);
    assert.equal((await client.resolve({ ...untagged, digest })).mediaType, MEDIA_TYPES.ociManifest);
    assert.equal(
      registry.requests.find(({ path }) => path.includes('untagged'))?.path,
      `/v2/untagged/manifests/${digest}`,
    );
  });

  test('sends nothing that is too large, or not what the reference says', async () => {
    const other = digestOf(Buffer.from('other'));
    await assert.rejects(
      client.pushManifest({ ...image, digest: other }, Buffer.from('{}'), 'x/y'),
      fails('DigestMismatch'),
    );
    await assert.rejects(client.pushManifest(image, Buffer.alloc(5 * MIB), 'x/y'), fails('TooLarge'));
    assert.equal(registry.requests.length, 0);
  });

  test('a registry that stores something else is found out', async () => {
    registry.fail({ fault: 'lieAboutDigest' });
    await assert.rejects(client.pushManifest(image, Buffer.from('{}'), 'x/y'), fails('DigestMismatch', /stored it as/));
  });

  test('is tried again, as it changes the same twice', async () => {
    registry.fail({ fault: { answer: 502 }, times: 1 });
    await client.pushManifest(image, Buffer.from('{}'), 'x/y');
    assert.equal(requestsOf('PUT'), 2);
  });
});

describe('deleteTag', () => {
  const tag = (): { registry: string; repository: string; tag: string } => ({
    registry: registry.host,
    repository: 'team/app',
    tag: '1',
  });

  test('deletes the tag, and leaves the image and its other tags', async () => {
    const { body, digest, mediaType } = registry.addImage('team/app', '1');
    registry.content.addManifest('team/app', '2', body, mediaType);
    await client.deleteTag(tag());
    await assert.rejects(client.resolve(image), fails('NotFound'));
    assert.equal((await client.resolve({ ...image, tag: '2' })).digest, digest);
    assert.equal(registry.requests[0]?.path, '/v2/team/app/manifests/1');
  });

  test('says that a tag is gone already', async () => {
    await assert.rejects(client.deleteTag(tag()), fails('NotFound', /MANIFEST_UNKNOWN/));
  });

  for (const fault of [
    { answer: 405, code: 'UNSUPPORTED' },
    { answer: 400, code: 'DIGEST_INVALID' },
    { answer: 404 },
  ] as const) {
    test(`${JSON.stringify(fault)} means that the registry deletes no tags`, async () => {
      registry.fail({ fault });
      await assert.rejects(client.deleteTag(tag()), fails('Unsupported', /deletion of the tag .*team\/app:1/));
    });
  }

  test('never deletes by digest, whatever it is given', async () => {
    const { digest } = registry.addImage('team/app', '1');
    const withDigest = { ...tag(), digest } as unknown as ReturnType<typeof tag>;
    await assert.rejects(client.deleteTag(withDigest), fails('Invalid', /by digest/));
    await assert.rejects(client.deleteTag({ ...tag(), tag: digest }), InvalidReferenceError);
    assert.equal(registry.requests.length, 0);
  });
});
