import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { parseDockerConfig } from '../../src/registry/auth.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { startDistribution } from '../registry/distribution.ts';
import { startTokenService } from '../registry/token-service.ts';
import { buildImage, buildTar, file, layerOf, noise, pushImage, type BuiltImage } from '../support/image-builder.ts';
import { startRegistryProxy, type PassedRequest, type ProxyFault } from '../support/registry-proxy.ts';
import { leftovers, startProxiedHarness, succeeded, type ProxiedHarness } from './harness.ts';

const MIB = 1 << 20;

let harness: ProxiedHarness;
let image: BuiltImage;
let layer: string;
/** Of the artifact of a conversion that nothing disturbs. */
let undisturbed: string;

before(async () => {
  harness = await startProxiedHarness({ timeouts: { idle: 300 } });
  image = buildImage([layerOf(await buildTar([file('big', noise(20 * MIB, 'faults'))]), 'none')]);
  layer = image.blobs[1]?.digest ?? '';
  await pushImage(harness.host, 'app', '1', [image]);
  undisturbed = succeeded(await harness.convert('app:1', 'undisturbed:1')).digest;
});
after(() => harness[Symbol.asyncDispose]());
afterEach(() => {
  harness.proxy.fault = () => undefined;
});

type Which = (request: PassedRequest) => boolean;

/** Requests of a method to a path. */
const to =
  (method: string, path: RegExp): Which =>
  (request) =>
    request.method === method && path.test(request.path);

const readsOfLayer: Which = (request) => to('GET', /\/blobs\/sha256/)(request) && request.path.endsWith(layer);
const chunks = to('PATCH', /uploads/);
const commits = to('PUT', /uploads/);
const uploads = to('POST', /uploads/);
const pushes = to('PUT', /manifests/);
const manifests = to('GET', /manifests\/1$/);

/** Lets requests fail, from the `skip`ped on, so many times. */
function fail(which: Which, fault: ProxyFault, { skip = 0, times = Infinity } = {}): () => number {
  let seen = 0;
  harness.proxy.fault = (request) => {
    if (!which(request)) {
      return undefined;
    }
    seen += 1;
    return seen > skip && seen <= skip + times ? fault : undefined;
  };
  return () => seen;
}

let targets = 0;
const nextTarget = (): string => `target-${(targets += 1)}`;

describe('a conversion gets over', () => {
  const passing: Record<string, [Which, ProxyFault, { skip?: number; times?: number }]> = {
    'a connection that is reset in the middle of a layer': [readsOfLayer, { cutAnswer: 5 * MIB }, { times: 1 }],
    'a layer that stops coming': [readsOfLayer, { stallAnswer: 5 * MIB }, { times: 1 }],
    'a connection that is reset in the middle of an upload': [chunks, { cutRequest: 3 * MIB }, { skip: 1, times: 1 }],
    'chunks whose answers are lost': [chunks, 'loseAnswer', { times: 3 }],
    'a finished upload whose answer is lost': [commits, 'loseAnswer', { times: 1 }],
    'one error of the registry for the end of an upload': [commits, { answer: 503 }, { times: 1 }],
    'a manifest whose answer is lost': [pushes, 'loseAnswer', { times: 1 }],
    'one error of the registry for the source': [manifests, { answer: 503 }, { times: 1 }],
    'one error of the registry for a layer': [readsOfLayer, { answer: 500 }, { times: 1 }],
    'one error of the registry for the start of an upload': [uploads, { answer: 502 }, { times: 1 }],
    'one error of the registry for a chunk': [chunks, { answer: 503 }, { skip: 1, times: 1 }],
    'one error of the registry for the manifest': [pushes, { answer: 500 }, { times: 1 }],
  };
  for (const [name, [which, fault, when]] of Object.entries(passing)) {
    test(`${name}, with the artifact of a conversion that nothing disturbed`, async () => {
      const target = nextTarget();
      const seen = fail(which, fault, when);
      const { digest } = succeeded(await harness.convert('app:1', `${target}:1`));
      assert.equal(digest, undisturbed);
      assert.ok(seen() > (when.skip ?? 0), 'it was disturbed');
      assert.deepEqual(await leftovers(harness), []);
    });
  }
});

test('a finished upload whose answer is lost costs no second reading of the layer, nor sending', async () => {
  fail(commits, 'loseAnswer', { times: 1 });
  const { bytesRead, bytesPushed } = succeeded(await harness.convert('app:1', `${nextTarget()}:1`));
  const size = 20 * MIB;
  assert.ok(bytesRead < 1.1 * size && bytesPushed < 1.1 * size, `${bytesRead} read, ${bytesPushed} pushed`);
});

describe('a conversion fails, and leaves the tag as it was, when', () => {
  const wait = { answer: 429, headers: { 'retry-after': '30' } };
  const lasting: Record<string, [Which, ProxyFault, string, RegExp]> = {
    'the registry has too many requests for the source': [manifests, wait, 'RateLimited', /^read .*app:1.*429.*30s/],
    'the registry has too many requests for a layer': [readsOfLayer, wait, 'RateLimited', /^read layer sha256:.*30s/],
    'the registry has too many requests for an upload': [uploads, wait, 'RateLimited', /^push a layer to .*30s/],
    'the registry has too many requests for a chunk': [chunks, wait, 'RateLimited', /^push a layer to .*30s/],
    'the registry has too many requests for the manifest': [pushes, wait, 'RateLimited', /^push manifest sha256:.*30s/],
    'the registry errs on each layer': [readsOfLayer, { answer: 503 }, 'RegistryUnreachable', /^read layer .*503/],
    'the registry errs on each upload': [uploads, { answer: 503 }, 'RegistryUnreachable', /^push a layer to .*503/],
    'the registry errs on each manifest': [pushes, { answer: 500 }, 'RegistryUnreachable', /^push manifest .*500/],
    'a layer stops coming each time': [
      readsOfLayer,
      { stallAnswer: MIB },
      'RegistryUnreachable',
      /^read layer sha256:/,
    ],
    'a layer is reset each time': [readsOfLayer, { cutAnswer: MIB }, 'RegistryUnreachable', /^read layer sha256:/],
    'the registry errs on the end of each upload': [
      commits,
      { answer: 503 },
      'RegistryUnreachable',
      /^push a layer to .*503/,
    ],
  };
  for (const [name, [which, fault, reason, message]] of Object.entries(lasting)) {
    test(name, async () => {
      const target = nextTarget();
      const earlier = buildImage([layerOf(await buildTar([file('earlier', name)]))]);
      const before = await pushImage(harness.host, target, '1', [earlier]);
      fail(which, fault);
      const result = await harness.convert('app:1', `${target}:1`);
      assert.ok(!result.ok);
      assert.deepEqual({ reason: result.reason, permanent: result.permanent }, { reason, permanent: false });
      assert.match(result.message, message);
      const tag = await fetch(`http://${harness.host}/v2/${target}/manifests/1`, {
        method: 'HEAD',
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      assert.equal(tag.headers.get('docker-content-digest'), before);
      assert.deepEqual(await leftovers(harness), []);
    });
  }

  test('a layer ends too early, for good: the registry holds another one than it says', async () => {
    const target = nextTarget();
    fail(readsOfLayer, { endAnswer: 5 * MIB });
    const result = await harness.convert('app:1', `${target}:1`);
    assert.ok(!result.ok);
    assert.deepEqual([result.reason, result.permanent], ['ConversionFailed', true], result.message);
    assert.match(result.message, new RegExp(`layer ${layer}`));
    assert.deepEqual(await harness.openUploads(target), []);
  });
});

describe('with a registry that wants tokens', () => {
  /** A real registry whose tokens come from a token service, behind a proxy. */
  async function startGuarded(): Promise<
    AsyncDisposable & { host: string; asked: string[][]; fail: typeof fail; client: RegistryClient }
  > {
    const tokens = await startTokenService();
    const registry = await startDistribution(async (folder) => {
      const jwks = join(folder, 'jwks.json');
      await writeFile(jwks, tokens.jwks);
      return { storage: { delete: { enabled: true } }, auth: { token: { ...tokens.settings, jwks } } };
    });
    const proxy = await startRegistryProxy(`http://${registry.host}`);
    const registries = { [proxy.host]: { plainHTTP: true } };
    const client = new RegistryClient({ registries, userAgent: 'slipstream/test', retryDelay: 10 });
    return {
      host: proxy.host,
      asked: tokens.asked,
      client,
      fail(which, fault, when) {
        const seen = fail(which, fault, when);
        proxy.fault = harness.proxy.fault;
        return seen;
      },
      async [Symbol.asyncDispose]() {
        await client.close();
        await proxy[Symbol.asyncDispose]();
        await registry.close();
        await tokens.close();
      },
    };
  }

  const credentialsFor = (host: string): ReturnType<typeof parseDockerConfig> =>
    parseDockerConfig(JSON.stringify({ auths: { [host]: { username: 'ann', password: 'secret' } } }));

  async function pushPublic(host: string, client: RegistryClient): Promise<void> {
    const credentials = credentialsFor(host).lookup(host, 'public/app');
    const place = { registry: host, repository: 'public/app' };
    for (const { body } of image.blobs) {
      await client.pushBlob(place, body, { credentials });
    }
    await client.pushManifest({ ...place, tag: '1' }, image.manifest.body, image.manifest.mediaType, { credentials });
  }

  test('a conversion goes on with a new token when one runs out in the middle', async () => {
    await using guarded = await startGuarded();
    const { host, client } = guarded;
    await pushPublic(host, client);
    const credentials = { source: credentialsFor(host), target: credentialsFor(host) };
    const request = { source: `${host}/public/app:1`, target: `${host}/artifact:1` };
    const expiring: [Which, { skip?: number; times: number }][] = [
      [readsOfLayer, { times: 1 }],
      [chunks, { skip: 1, times: 1 }],
      [commits, { times: 1 }],
      [pushes, { times: 1 }],
    ];
    for (const [i, [which, when]] of expiring.entries()) {
      const seen = guarded.fail(which, 'anonymous', when);
      const asked = guarded.asked.length;
      const registries = { [host]: { plainHTTP: true } };
      const target = `${request.target}-${i}`;
      const dependencies = { registry: client, credentials };
      succeeded(await harness.convert('', '', { request: { ...request, target, registries }, dependencies }));
      assert.ok(seen() > (when.skip ?? 0), `it ran out in round ${i}`);
      assert.ok(guarded.asked.length > asked, `a token was asked for in round ${i}`);
    }
  });

  test('a conversion to where one may not push fails for good, and says so of the target', async () => {
    await using guarded = await startGuarded();
    const { host, client } = guarded;
    await pushPublic(host, client);
    const request = { source: `${host}/public/app:1`, target: `${host}/public/app:1-nydus` };
    const registries = { [host]: { plainHTTP: true } };
    const dependencies = { registry: client };
    const result = await harness.convert('', '', { request: { ...request, registries }, dependencies });
    assert.ok(!result.ok);
    assert.deepEqual([result.reason, result.permanent], ['CredentialsRejected', true], result.message);
    assert.match(result.message, /^push a layer to .*public\/app:1-nydus: .*credentials/);
    assert.deepEqual(await leftovers(harness), []);
  });
});
