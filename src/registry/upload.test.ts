import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { startFaultyRegistry } from '../../test/doubles/faulty-registry.ts';
import type { FaultyRegistry, FaultyRegistryOptions } from '../../test/doubles/faulty-registry.ts';
import { RegistryClient } from './client.ts';
import { digestOf } from './digest.ts';
import type { Repository } from './reference.ts';

const MIB = 1024 * 1024;
const BODY = Buffer.concat(Array.from({ length: 14 }, (_, index) => Buffer.alloc(MIB, `${index} `)));
const DIGEST = digestOf(BODY);
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((close) => close()));
});

async function start(
  options: FaultyRegistryOptions = {},
): Promise<{ registry: FaultyRegistry; client: RegistryClient; app: Repository }> {
  const registry = await startFaultyRegistry(options);
  const client = new RegistryClient({
    registries: { [registry.host]: { plainHTTP: true } },
    userAgent: 'test',
    retryDelay: 1,
  });
  cleanups.push(
    () => registry.close(),
    () => client.close(),
  );
  return { registry, client, app: { registry: registry.host, repository: 'team/app' } };
}

async function upload(client: RegistryClient, app: Repository, digest = DIGEST, signal?: AbortSignal): Promise<void> {
  const blob = await client.startUpload(app, { signal });
  try {
    for (let at = 0; at < BODY.length; at += 3 * MIB) {
      await blob.write(BODY.subarray(at, at + 3 * MIB));
    }
    await blob.commit(digest);
  } catch (error) {
    await blob.abort();
    throw error;
  }
}

function chunks(registry: FaultyRegistry): unknown[] {
  return registry.requests.filter(({ method }) => method === 'PATCH').map(({ headers }) => headers['content-range']);
}

for (const location of ['absolute', 'rooted', 'relative'] as const) {
  describe(`with a Location that is ${location}`, () => {
    test('a blob is pushed in one piece', async () => {
      const { registry, client, app } = await start({ location });
      assert.deepEqual(await client.pushBlob(app, BODY), { digest: DIGEST, size: BODY.length });
      assert.ok(registry.content.blob('team/app', DIGEST)?.equals(BODY));
      assert.deepEqual(
        registry.requests.map(({ method }) => method),
        ['POST', 'PUT'],
      );
    });

    test('a blob is pushed in chunks of at least 8 MiB', async () => {
      const { registry, client, app } = await start({ location });
      await upload(client, app);
      assert.ok(registry.content.blob('team/app', DIGEST)?.equals(BODY));
      assert.deepEqual(chunks(registry), [`0-${9 * MIB - 1}`, `${9 * MIB}-${14 * MIB - 1}`]);
      assert.equal(registry.openUploads, 0);
    });
  });
}

describe('an upload in chunks', () => {
  test('keeps to the shortest chunk that the registry takes', async () => {
    const { registry, client, app } = await start({ minChunkLength: 10 * MIB });
    await upload(client, app);
    assert.deepEqual(chunks(registry), [`0-${12 * MIB - 1}`, `${12 * MIB}-${14 * MIB - 1}`]);
  });

  test('is not begun where chunks would not fit into memory', async () => {
    const { registry, client, app } = await start({ minChunkLength: 1024 * MIB });
    await assert.rejects(client.startUpload(app), { kind: 'Unsupported', message: /chunks of 1073741824 bytes/ });
    assert.equal(registry.openUploads, 0);
  });

  test('of nothing at all is a blob, too', async () => {
    const { registry, client, app } = await start();
    const digest = digestOf(Buffer.alloc(0));
    await (await client.startUpload(app)).commit(digest);
    assert.equal(registry.content.blob('team/app', digest)?.length, 0);
  });

  for (const fault of [{ takeBytes: 5 * MIB }, { takeBytes: 0 }, { answer: 500 }, { answer: 416 }, 'reset'] as const) {
    test(`goes on where the registry says after ${JSON.stringify(fault)}`, async () => {
      const { registry, client, app } = await start();
      registry.fail({ method: 'PATCH', fault, times: 2 });
      await upload(client, app);
      assert.ok(registry.content.blob('team/app', DIGEST)?.equals(BODY));
    });
  }

  test('is given up after seven failures of one chunk, and cancelled', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PATCH', fault: { answer: 500 } });
    await assert.rejects(upload(client, app), { kind: 'Unreachable', status: 500 });
    assert.equal(chunks(registry).length, 7);
    assert.equal(registry.openUploads, 0);
  });

  test('of which the registry does not say how much it has is given up', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PATCH', fault: { answer: 500 }, times: 1 });
    registry.fail({ method: 'GET', fault: { without: 'range' } });
    await assert.rejects(upload(client, app), { kind: 'Invalid', message: /lost track of the upload/ });
  });

  test('whose session is lost fails', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PATCH', fault: { answer: 404, code: 'BLOB_UPLOAD_UNKNOWN' } });
    await assert.rejects(upload(client, app), { kind: 'NotFound' });
  });

  test('is done where the registry has it, though the answer to its end was lost', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PUT', fault: 'reset', times: 1 });
    await upload(client, app);
    assert.ok(registry.content.blob('team/app', DIGEST)?.equals(BODY));
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ['POST', 'PATCH', 'PATCH', 'PUT', 'HEAD'],
    );
  });

  test('is ended again where the registry failed to', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PUT', fault: { answer: 503 }, times: 2 });
    await upload(client, app);
    assert.ok(registry.content.blob('team/app', DIGEST)?.equals(BODY));
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ['POST', 'PATCH', 'PATCH', 'PUT', 'HEAD', 'PUT', 'HEAD', 'PUT'],
    );
  });

  test('that the registry fails to end three times is given up, and cancelled', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PUT', fault: { answer: 503 } });
    await assert.rejects(upload(client, app), { kind: 'Unreachable', status: 503 });
    assert.equal(registry.requests.filter(({ method }) => method === 'PUT').length, 3);
    assert.equal(registry.openUploads, 0);
  });

  test('that ends in another digest is DigestMismatch, and stores nothing', async () => {
    const { registry, client, app } = await start();
    const wrong = digestOf(Buffer.from('other'));
    await assert.rejects(upload(client, app, wrong), { kind: 'DigestMismatch', message: /DIGEST_INVALID/ });
    assert.equal(registry.content.blob('team/app', wrong), undefined);
  });

  test('that the registry stores under another digest is DigestMismatch', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PUT', fault: 'lieAboutDigest' });
    await assert.rejects(upload(client, app), { kind: 'DigestMismatch', message: /stored it as/ });
  });

  test('can be cancelled after its call was aborted', async () => {
    const { registry, client, app } = await start();
    const abort = new AbortController();
    const blob = await client.startUpload(app, { signal: abort.signal });
    abort.abort(new Error('time is up'));
    await assert.rejects(blob.write(BODY), /time is up/);
    assert.equal(registry.openUploads, 1);
    await blob.abort();
    assert.equal(registry.openUploads, 0);
  });

  test('is cancelled where the call was aborted while it was opened', async () => {
    const { registry, client, app } = await start();
    const abort = new AbortController();
    registry.fail({ method: 'POST', fault: { meanwhile: () => abort.abort(new Error('time is up')) } });
    await assert.rejects(client.startUpload(app, { signal: abort.signal }), /time is up/);
    assert.equal(registry.openUploads, 0);
  });

  test('is cancelled where the registry says that it is, after a chunk that broke off', async () => {
    const { registry, client, app } = await start();
    const blob = await client.startUpload(app);
    registry.fail({ method: 'DELETE', fault: { answer: 416, code: 'RANGE_INVALID' }, times: 2 });
    await blob.abort();
    assert.equal(registry.openUploads, 0);
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ['POST', 'DELETE', 'GET', 'DELETE', 'GET', 'DELETE'],
    );
  });

  test('that cannot be cancelled is left alone', async () => {
    const { registry, client, app } = await start();
    const blob = await client.startUpload(app);
    registry.fail({ method: 'DELETE', fault: { answer: 403 } });
    await blob.abort();
    assert.equal(registry.openUploads, 1);
  });
});

describe('a push in one piece', () => {
  test('begins anew after a failure half-way', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PUT', fault: 'reset', times: 1 });
    await client.pushBlob(app, BODY);
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ['POST', 'PUT', 'DELETE', 'POST', 'PUT'],
    );
  });

  test('is refused with RateLimited at once', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'PUT', fault: { answer: 429 } });
    await assert.rejects(client.pushBlob(app, BODY), { kind: 'RateLimited' });
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ['POST', 'PUT', 'DELETE'],
    );
  });

  test('leaves no upload where it is aborted while it was opened', async () => {
    const { registry, client, app } = await start();
    const abort = new AbortController();
    registry.fail({ method: 'POST', fault: { meanwhile: () => abort.abort(new Error('time is up')) } });
    await assert.rejects(client.pushBlob(app, BODY, { signal: abort.signal }), /time is up/);
    assert.equal(registry.openUploads, 0);
  });

  test('that is to go on at another host does so without the Authorization', async () => {
    const { registry, client, app } = await start();
    const { registry: other } = await start();
    registry.requireAuthorization({ scheme: 'Basic', users: { ann: 'secret' } });
    other.requireAuthorization({ scheme: 'Basic', users: { ann: 'secret' } });
    const credentials = { username: 'ann', password: 'secret' };
    await client.pushBlob(app, Buffer.from('x'), { credentials });
    registry.fail({
      method: 'POST',
      fault: { answer: 202, headers: { location: `${other.origin}/v2/a/blobs/uploads/1` } },
    });
    await assert.rejects(client.pushBlob(app, BODY, { credentials }), { kind: 'Unauthorized' });
    assert.deepEqual(
      other.requests.map(({ method, headers }) => [method, headers.authorization]),
      [
        ['PUT', undefined],
        ['DELETE', undefined],
      ],
    );
  });

  test('without a Location to go on is Invalid', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'POST', fault: { without: 'location' } });
    await assert.rejects(client.pushBlob(app, BODY), { kind: 'Invalid', message: /without a usable Location/ });
  });
});

describe('a mount', () => {
  test('makes a blob of another repository available', async () => {
    const { registry, client, app } = await start();
    const digest = registry.content.addBlob('base', BODY);
    assert.equal(await client.mount(app, digest, 'base'), true);
    assert.equal(await client.blobExists(app, digest), BODY.length);
  });

  test('that the registry answers with an upload cancels it', async () => {
    const { registry, client, app } = await start();
    assert.equal(await client.mount(app, DIGEST, 'base'), false);
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ['POST', 'DELETE'],
    );
    assert.equal(registry.openUploads, 0);
  });

  test('that is not allowed is not a failure: the blob can be sent', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'POST', fault: { answer: 401 }, times: 1 });
    assert.equal(await client.mount(app, DIGEST, 'base'), false);
    registry.fail({ method: 'POST', fault: { answer: 403, code: 'DENIED' }, times: 1 });
    assert.equal(await client.mount(app, DIGEST, 'base'), false);
  });

  test('that the registry is too busy for is a failure', async () => {
    const { registry, client, app } = await start();
    registry.fail({ method: 'POST', fault: { answer: 429 } });
    await assert.rejects(client.mount(app, DIGEST, 'base'), { kind: 'RateLimited' });
  });
});
