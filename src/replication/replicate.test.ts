import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { pino } from 'pino';
import { startFaultyRegistry, type FaultyRegistry, type StoredImage } from '../../test/doubles/faulty-registry.ts';
import { noise } from '../../test/support/image-builder.ts';
import type { Progress } from '../converter/progress.ts';
import { parseDockerConfig } from '../registry/auth.ts';
import { RegistryClient } from '../registry/client.ts';
import type { ReplicateRequest } from './options.ts';
import { replicate } from './replicate.ts';
import type { ReplicateFailure, ReplicateSuccess } from './result.ts';

const MIB = 1024 * 1024;
const LAYERS = [noise(10 * MIB, 'big'), noise(MIB, 'small')];

let near: FaultyRegistry;
let far: FaultyRegistry;
let client: RegistryClient;
let artifact: StoredImage;
let request: ReplicateRequest;
let progress: Progress[];

beforeEach(async () => {
  [near, far] = await Promise.all([startFaultyRegistry(), startFaultyRegistry()]);
  const registries = { [near.host]: { plainHTTP: true }, [far.host]: { plainHTTP: true } };
  client = new RegistryClient({ registries, userAgent: 'slipstream-test', retryDelay: 1 });
  artifact = near.addImage('web', '1-nydus', { platforms: ['linux/amd64', 'linux/arm64'], layers: LAYERS });
  request = {
    images: [
      { role: 'artifact', from: `${near.host}/web:1-nydus@${artifact.digest}`, to: `${far.host}/eu/web:1-nydus` },
    ],
    registries,
  };
  progress = [];
});
afterEach(async () => {
  await client.close();
  await near.close();
  await far.close();
});

function first(): ReplicateRequest['images'][number] {
  const [image] = request.images;
  assert.ok(image);
  return image;
}

async function run(signal = new AbortController().signal): Promise<ReplicateSuccess | ReplicateFailure> {
  const replica = parseDockerConfig(JSON.stringify({ auths: { [far.host]: { username: 'ann', password: 'secret' } } }));
  return replicate(
    request,
    {
      registry: client,
      credentials: { replica },
      log: pino({ level: 'silent' }),
      onProgress: (each) => void progress.push(each),
      retryDelay: 1,
    },
    signal,
  );
}

async function copied(): Promise<ReplicateSuccess> {
  const result = await run();
  assert.ok(result.ok, JSON.stringify(result));
  return result;
}

/** Fails, and checks what every failure leaves: the tag as it was, and no open upload. */
async function fails(reason: string, permanent: boolean, message: RegExp): Promise<void> {
  const result = await run();
  assert.ok(!result.ok, 'it was copied');
  assert.deepEqual([result.reason, result.permanent], [reason, permanent], result.message);
  assert.match(result.message, message);
  assert.equal(far.content.manifest('eu/web', '1-nydus'), undefined, 'the tag was touched');
  assert.equal(far.openUploads, 0, 'an upload was left open');
}

function sentTo({ requests }: FaultyRegistry): number {
  return requests.filter(({ method }) => method === 'PATCH').reduce((sum, { body }) => sum + body.length, 0);
}

describe('a copy', () => {
  test('has the digests of the original, down to the last blob', async () => {
    const { images } = await copied();
    assert.deepEqual(images, [`${far.host}/eu/web:1-nydus@${artifact.digest}`]);
    assert.equal(far.content.manifest('eu/web', '1-nydus')?.digest, artifact.digest);
    for (const { digest, manifest } of artifact.platforms) {
      assert.ok(far.content.manifest('eu/web', digest));
      for (const blob of [manifest.config, ...manifest.layers]) {
        assert.equal(far.content.blob('eu/web', blob.digest)?.length, blob.size);
      }
    }
  });

  test('is pushed children first and its tag last', async () => {
    await copied();
    const pushed = far.requests.filter(({ method, path }) => method === 'PUT' && path.includes('/manifests/'));
    assert.deepEqual(
      pushed.map(({ path }) => path.split('/').at(-1)),
      [...artifact.platforms.map(({ digest }) => digest), '1-nydus'],
    );
    assert.equal(
      far.requests.findLastIndex(({ path }) => path.includes('/blobs/')) < far.requests.indexOf(pushed[0] as never),
      true,
    );
  });

  test('has a second tag where one is asked for, and says which tags were not there before', async () => {
    request.images[0] = { ...first(), ownTag: '1-nydus-own' };
    assert.deepEqual((await copied()).made, [`${far.host}/eu/web:1-nydus-own`, `${far.host}/eu/web:1-nydus`]);
    assert.equal(far.content.manifest('eu/web', '1-nydus-own')?.digest, artifact.digest);
    assert.deepEqual((await copied()).made, []);
  });

  test('of what is there already sends nothing, not even a manifest', async () => {
    const first = await copied();
    assert.deepEqual(first.blobs, { sent: 4, mounted: 0, there: 0 });
    far.requests.length = 0;
    const second = await copied();
    assert.deepEqual([second.blobs, second.bytesSent], [{ sent: 0, mounted: 0, there: 4 }, 0]);
    assert.deepEqual([...new Set(far.requests.map(({ method }) => method))], ['HEAD']);
  });

  test('sends the blobs alone that are not there', async () => {
    far.content.addBlob('eu/web', LAYERS[0] as Buffer);
    const { blobs } = await copied();
    assert.deepEqual(blobs, { sent: 3, mounted: 0, there: 1 });
    assert.ok(sentTo(far) < 2 * MIB);
  });

  test('within a registry mounts the blobs and sends none', async () => {
    request.images[0] = { role: 'artifact', from: `${near.host}/web@${artifact.digest}`, to: `${near.host}/eu/web:1` };
    const { blobs } = await copied();
    assert.deepEqual(blobs, { sent: 0, mounted: 4, there: 0 });
    assert.equal(sentTo(near), 0);
  });

  test('of the source goes beside it, under its own tag', async () => {
    const source = near.addImage('web', '1', { layers: [Buffer.from('source')] });
    request.images.push({ role: 'source', from: `${near.host}/web@${source.digest}`, to: `${far.host}/eu/web:1` });
    await copied();
    assert.equal(far.content.manifest('eu/web', '1')?.digest, source.digest);
  });

  test('says how far it is, up to the end', async () => {
    await copied();
    assert.equal(progress.at(-1)?.percent, 100);
    assert.equal(progress.at(-1)?.bytesTotal, progress.at(-1)?.bytesDone);
  });
});

describe('a copy goes on', () => {
  const downloads = { method: 'GET', path: /\/blobs\/sha256/ };
  const rangesOf = (): (string | string[] | undefined)[] =>
    near.requests.filter(({ headers }) => headers.range !== undefined).map(({ headers }) => headers.range);

  test('where a download broke off, by a range', async () => {
    near.fail({ ...downloads, fault: 'truncate', times: 2 });
    const { digest } = artifact;
    await copied();
    assert.equal(far.content.manifest('eu/web', '1-nydus')?.digest, digest);
    assert.ok(rangesOf().every((range) => /^bytes=[1-9]\d*-\d+$/.test(String(range))));
    assert.ok(rangesOf().length >= 2);
  });

  test('where a download broke off from a registry without ranges, which sends all of it again', async () => {
    near.fail({ ...downloads, fault: 'ignoreRange' });
    near.fail({ ...downloads, fault: 'truncate', times: 1 });
    await copied();
    assert.equal(far.content.manifest('eu/web', '1-nydus')?.digest, artifact.digest);
  });

  test('where an upload broke off, from what the registry has of it', async () => {
    far.fail({ method: 'PATCH', fault: { takeBytes: MIB / 2 }, times: 2 });
    await copied();
    assert.equal(far.content.manifest('eu/web', '1-nydus')?.digest, artifact.digest);
    assert.ok(far.requests.some(({ method, path }) => method === 'GET' && path.includes('/uploads/')));
  });

  test('with a blob from its start where the registry lost the upload', async () => {
    far.fail({ method: 'PATCH', fault: { answer: 404, code: 'BLOB_UPLOAD_UNKNOWN' }, times: 1 });
    await copied();
    assert.equal(far.content.manifest('eu/web', '1-nydus')?.digest, artifact.digest);
  });
});

describe('a copy fails', () => {
  test('for good when the artifact is not there any more', async () => {
    near.content.deleteManifest('web', artifact.digest);
    await fails('ArtifactMissing', true, /web/);
  });

  test('for good when the source is not there', async () => {
    request.images.unshift({
      role: 'source',
      from: `${near.host}/web@sha256:${'0'.repeat(64)}`,
      to: `${far.host}/eu/web:1`,
    });
    await fails('SourceNotFound', true, /sha256:000/);
  });

  test('for good when the credentials are refused, and shows none', async () => {
    far.fail({ fault: { answer: 403, code: 'DENIED' }, method: 'POST' });
    await fails('CredentialsRejected', true, /eu\/web/);
    assert.doesNotMatch(JSON.stringify(await run()), /secret/);
  });

  test('when the original is not what its digest says, and nothing of it is kept', async () => {
    near.fail({ method: 'GET', path: /\/blobs\//, fault: 'corrupt' });
    await fails('VerificationFailed', true, /digest/);
  });

  test('when the rest of a blob that broke off is not what came before it, and the registry is not asked to keep it', async () => {
    const [big] = artifact.platforms[0]?.manifest.layers ?? [];
    const path = new RegExp(big?.digest ?? '');
    near.fail({ method: 'GET', path, fault: 'corrupt' });
    near.fail({ method: 'GET', path, fault: 'truncate', times: 1 });
    await fails('VerificationFailed', true, /digest/);
    const kept = far.requests.filter(({ method, query }) => method === 'PUT' && path.test(decodeURIComponent(query)));
    assert.deepEqual(kept, []);
  });

  test('when the registry says that it keeps the copy under another digest', async () => {
    far.fail({ method: 'PUT', path: /\/manifests\//, fault: 'lieAboutDigest' });
    const result = await run();
    assert.ok(!result.ok && result.reason === 'VerificationFailed', JSON.stringify(result));
  });

  test('and may be tried again when a registry does not answer', async () => {
    far.fail({ fault: 'reset' });
    await fails('RegistryUnreachable', false, new RegExp(far.host));
  });

  test('and may be tried again, later, when a registry counts requests', async () => {
    far.fail({ fault: { answer: 429 } });
    await fails('RateLimited', false, /429/);
  });

  test('and may be tried again when it was stopped', async () => {
    const result = await run(AbortSignal.abort());
    assert.ok(!result.ok && !result.permanent && result.message === 'the copy was stopped');
  });

  test('for good when the request says what cannot be', async () => {
    const [image] = request.images;
    assert.ok(image);
    request.images = [{ ...image, from: `${near.host}/web:1-nydus` }];
    await fails('InvalidSpec', true, /by digest/);
    request.images = [{ ...image, to: `${far.host}/eu/web@${artifact.digest}` }];
    await fails('InvalidSpec', true, /give it a tag/);
    request.images = [{ ...image, to: `${far.host}/EU` }];
    await fails('InvalidSpec', true, /lower case/);
  });
});
