import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startManager } from '../../test/doubles/dragonfly-manager.ts';
import type { ManagerDouble, ManagerDoubleOptions, PreheatOutcome } from '../../test/doubles/dragonfly-manager.ts';
import { startSeedDouble } from '../../test/doubles/seed-peer.ts';
import type { SeedDouble, SeedDoubleOptions } from '../../test/doubles/seed-peer.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { HurriedClock } from '../../test/support/hurried-clock.ts';
import { blobOf, imageOf } from '../../test/support/images.ts';
import type { WarmLimits } from './limits.ts';
import { ManagerProvider } from './manager.ts';
import type { ManagerOptions } from './manager.ts';
import { SMALLEST_PIECE } from './pieces.ts';
import { ProviderError } from './provider.ts';
import type { ProviderErrorKind, Seed, WarmImage } from './provider.ts';

const TOKEN = 'pat-0123456789';
const BLOB = blobOf('layer', 3 * SMALLEST_PIECE);
const IMAGE = imageOf([BLOB], { authorization: 'Bearer s3cret' });
const HEX = BLOB.digest.slice('sha256:'.length);
const SUCCESS: PreheatOutcome = { state: 'SUCCESS', succeeded: [BLOB.url], failed: [] };

interface World extends AsyncDisposable {
  manager: ManagerDouble;
  seeds: SeedDouble[];
  clock: HurriedClock;
  provider: ManagerProvider;
  /** Warms, and returns what it throws. */
  warm(image?: WarmImage, timeoutMs?: number): Promise<ProviderError | undefined>;
}

interface WorldOptions {
  clusterIDs?: number[];
  scope?: ManagerOptions['scope'];
  token?: ManagerOptions['token'];
  seedCount?: number;
  limits?: WarmLimits;
  fault?: SeedDoubleOptions['fault'];
  manager?: Partial<ManagerDoubleOptions>;
}

async function startWorld(options: WorldOptions = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const clock = new HurriedClock();
  const seeds: SeedDouble[] = [];
  for (let i = 0; i < (options.seedCount ?? 1); i++) {
    seeds.push(stack.use(await startSeedDouble({ name: `seed-${i}`, ...(options.fault && { fault: options.fault }) })));
  }
  const manager = stack.use(await startManager({ token: TOKEN, clock, outcome: SUCCESS, ...options.manager }));
  const provider = new ManagerProvider({
    url: manager.url,
    token: options.token ?? (() => Promise.resolve(TOKEN)),
    clusterIDs: options.clusterIDs ?? [1],
    scope: options.scope ?? 'all_seed_peers',
    seeds: () => Promise.resolve(seeds.map(({ seed }) => seed)),
    clock,
    ...(options.limits && { limits: options.limits }),
  });
  const moved = stack.move();
  return {
    manager,
    seeds,
    clock,
    provider,
    async warm(image = IMAGE, timeoutMs = 600_000) {
      try {
        await provider.warm(image, { timeoutMs, signal: new AbortController().signal });
        return undefined;
      } catch (error) {
        assert.ok(error instanceof ProviderError, String(error));
        return error;
      }
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** The preheat really reaches the seeds. */
function arrive(seeds: readonly SeedDouble[]): void {
  for (const { pieces } of seeds) {
    pieces.set(HEX, new Set([0, 1, 2]));
  }
}

test('a job asks for the manifest by digest, with the timeout in nanoseconds and only a short-lived token', async () => {
  await using world = await startWorld({ clusterIDs: [3, 5] });
  arrive(world.seeds);
  assert.equal(await world.warm(), undefined);
  assert.deepEqual(world.manager.created, [
    {
      type: 'preheat',
      scheduler_cluster_ids: [3, 5],
      args: {
        type: 'image',
        url: IMAGE.manifestUrl,
        platform: 'linux/amd64',
        scope: 'all_seed_peers',
        concurrent_task_count: 4,
        timeout: 600_000_000_000,
        headers: { Authorization: 'Bearer s3cret' },
        username: '',
        password: '',
        enable_task_id_based_blob_digest: true,
      },
    },
  ]);
});

test('without clusters of its own a job is for all of them, and without a token it has no headers', async () => {
  await using world = await startWorld({ clusterIDs: [] });
  arrive(world.seeds);
  assert.equal(await world.warm(imageOf([BLOB])), undefined);
  assert.equal(world.manager.created[0]?.scheduler_cluster_ids, undefined);
  assert.deepEqual(world.manager.created[0]?.args.headers, {});
});

test('blobs that are there are warm before the job says so: its row is written 30 s late', async () => {
  await using world = await startWorld();
  arrive(world.seeds);
  await world.warm();
  assert.ok(world.clock.monotonic() < 30_000);
});

test('SUCCESS is not believed: a blob that cannot be read back is not warm', async () => {
  await using world = await startWorld();
  const error = await world.warm();
  assert.equal(error?.kind, 'Failed');
  assert.match(error.message, /job 1 ended with SUCCESS, and 1 blob is not warm/);
  assert.match(error.message, /up to v2\.5\.1 warms under task ids that no puller uses/);
});

test('a manager that warmed where nobody looks is not asked again for an hour, and then once', async () => {
  await using world = await startWorld();
  const { signal } = new AbortController();
  assert.equal((await world.warm())?.reason, 'TaskIDMismatch');
  const refused = await world.warm();
  assert.deepEqual([refused?.reason, world.manager.created.length], ['TaskIDMismatch', 1]);
  assert.match(refused?.message ?? '', /upgrade it, or use the provider type seedPeers/);
  await assert.rejects(world.provider.check({ signal }), { reason: 'TaskIDMismatch' });
  await world.clock.sleep(3_600_000);
  arrive(world.seeds);
  assert.equal(await world.warm(), undefined);
  await world.provider.check({ signal });
});

test('a job that brought the blobs of another platform is WrongPlatform', async () => {
  const other = blobOf('layer of arm64', 10);
  await using world = await startWorld({ manager: { outcome: { ...SUCCESS, succeeded: [other.url] } } });
  const error = await world.warm();
  assert.equal(error?.reason, 'WrongPlatform');
  assert.match(error.message, new RegExp(`it warmed other blobs, such as ${other.digest}, and none of linux/amd64`));
});

test('SUCCESS with layers that failed is no mismatch of ids: their reason is what the seeds say', async () => {
  const [there, full] = [blobOf('there', 10), blobOf('full', 10)];
  const image = imageOf([there, full]);
  await using world = await startWorld({
    scope: 'single_seed_peer',
    manager: { outcome: { state: 'SUCCESS', succeeded: [there.url], failed: [] } },
    fault: ({ hex, origin }) =>
      full.digest.endsWith(hex) && origin !== undefined
        ? { status: 507, headers: { 'X-Dragonfly-Error-Type': 'dfdaemon' } }
        : undefined,
  });
  world.seeds[0]?.pieces.set(there.digest.slice(7), new Set([0]));
  const error = await world.warm(image);
  assert.deepEqual([error?.kind, error?.reason], ['Failed', 'SeedDiskFull']);
  assert.match(error?.message ?? '', /ended with SUCCESS, and 1 blob is not warm.*no space left/);
});

test('one job is made for all who want the same image at the same time', async () => {
  await using world = await startWorld();
  arrive(world.seeds);
  const errors = await Promise.all([world.warm(), world.warm(), world.warm()]);
  assert.deepEqual(errors, [undefined, undefined, undefined]);
  assert.equal(world.manager.created.length, 1);
});

test('jobs are made a few at a time, for each registry', async () => {
  await using world = await startWorld();
  // A clock that stands still: no job comes to its end.
  const provider = new ManagerProvider({
    url: world.manager.url,
    token: () => Promise.resolve(TOKEN),
    clusterIDs: [],
    scope: 'all_seed_peers',
    seeds: () => Promise.resolve(world.seeds.map(({ seed }) => seed)),
    limits: { maxConcurrentBlobs: 8, maxConcurrentBlobsPerRegistry: 4 },
    clock: new FakeClock(),
  });
  const abort = new AbortController();
  world.manager.onCreate = () => {
    if (world.manager.created.length === 2) {
      abort.abort(new Error('seen enough'));
    }
  };
  const images = ['a/one', 'a/two', 'a/three', 'b/one'].map((path) => {
    const [host, name] = path.split('/');
    return imageOf([BLOB], { manifestUrl: `https://${host}/v2/${name}/manifests/1` });
  });
  const warms = images.map((image) => provider.warm(image, { timeoutMs: 600_000, signal: abort.signal }));
  await Promise.allSettled(warms);
  assert.deepEqual(world.manager.created.map(({ args }) => new URL(args.url).host).toSorted(), ['a', 'b']);
});

test('with fewer replicas than seeds a job is for as many, and a blob is warm wherever it is', async () => {
  await using world = await startWorld({ seedCount: 3 });
  arrive(world.seeds.slice(1));
  const image = imageOf([BLOB], { seedReplicas: 2 });
  assert.equal(await world.warm(image), undefined);
  assert.equal(world.manager.created[0]?.args.count, 2);
  const states = await world.provider.verify(image, { signal: new AbortController().signal });
  assert.deepEqual(
    states.map(({ seed, warm }) => `${seed} ${warm}`),
    ['seed-1 true', 'seed-2 true'],
  );
});

test('what would not fit on the seeds is refused before a job is made', async () => {
  await using world = await startWorld({
    limits: { maxConcurrentBlobs: 8, maxConcurrentBlobsPerRegistry: 4, maxSeedBytes: BLOB.size - 1 },
  });
  assert.equal((await world.warm())?.reason, 'SeedBudgetExceeded');
  assert.equal(world.manager.created.length, 0);
});

test('what the job says of its failures is in the message', async () => {
  const failed = [{ url: BLOB.url, description: 'seed-0 has no space\nleft' }];
  await using world = await startWorld({ manager: { outcome: { state: 'FAILURE', succeeded: [], failed } } });
  const error = await world.warm();
  assert.equal(error?.kind, 'Failed');
  assert.match(error.message, /ended with FAILURE.*it says: seed: seed-0 has no space left/);
});

test('FAILURE is not believed either, when every blob can be read back', async () => {
  await using world = await startWorld({
    manager: { outcome: { state: 'FAILURE', succeeded: [], failed: [] }, lagMs: 1 },
  });
  arrive(world.seeds);
  assert.equal(await world.warm(), undefined);
});

test('with one seed for each blob, it is enough that one has it', async () => {
  await using world = await startWorld({ scope: 'single_seed_peer', seedCount: 3 });
  arrive(world.seeds.slice(1, 2));
  assert.equal(await world.warm(), undefined);
  await using strict = await startWorld({ scope: 'all_seed_peers', seedCount: 3 });
  arrive(strict.seeds.slice(1, 2));
  assert.equal((await strict.warm())?.kind, 'Failed');
});

test('a job whose row is gone has failed, unless its blobs are there', async () => {
  await using world = await startWorld({ manager: { losesJobs: true } });
  const error = await world.warm();
  assert.equal(error?.kind, 'Failed');
  assert.match(error.message, /has lost job 1, and 1 blob is not warm/);
  arrive(world.seeds);
  assert.equal(await world.warm(), undefined);
});

test('a job that stays PENDING is given up when time is up', async () => {
  await using world = await startWorld({ manager: { lagMs: 3_600_000 } });
  const error = await world.warm(IMAGE, 120_000);
  assert.equal(error?.kind, 'TimedOut');
  assert.match(error.message, /not warm within 120 s; the job is PENDING; seed-0 does not have all of/);
});

test('a manager that limits its requests is asked again, after as long as it says', async () => {
  await using world = await startWorld();
  arrive(world.seeds);
  world.manager.limitRequests(1, '40');
  world.manager.limitRequests(2);
  assert.equal(await world.warm(), undefined);
  // 40 s as asked, 4 and 8 s of its own, 2 s before the first look.
  assert.equal(world.clock.monotonic(), 54_000);
});

test('a manager that wants to be left alone for longer than there is time says when to come back', async () => {
  await using world = await startWorld();
  world.manager.limitRequests(1, '3600');
  const error = await world.warm();
  assert.deepEqual([error?.kind, error?.retryAfter], ['Failed', 3_600_000]);
});

test('a token that is refused is Rejected, and is not shown', async () => {
  await using world = await startWorld({ token: () => Promise.resolve('stolen') });
  const error = await world.warm();
  assert.equal(error?.kind, 'Rejected');
  assert.match(
    error.message,
    /401: Unauthorized; it does not know the token: put a personal access token with the scope job/,
  );
  assert.doesNotMatch(error.message, /stolen/);
  const { signal } = new AbortController();
  await assert.rejects(world.provider.check({ signal }), { kind: 'Rejected' });
});

test('a manager that takes the token can be used', async () => {
  await using world = await startWorld();
  await world.provider.check({ signal: new AbortController().signal });
});

test('a token that is known and not taken is Rejected, with what it needs', async () => {
  await using world = await startWorld({ manager: { refusal: 'Token has expired' } });
  const error = await world.warm();
  assert.equal(error?.kind, 'Rejected');
  assert.match(error.message, /403: Token has expired; its token needs the scope job, and must be neither expired nor/);
});

test('a manager that is not there is Unreachable, and it is said that new charts have none', async () => {
  const provider = providerAt('http://127.0.0.1:1', [{ name: 'seed-0', url: 'http://127.0.0.1:1' }]);
  const { signal } = new AbortController();
  const message = /version 1\.7\.5 on, Dragonfly's chart installs no manager.*use the provider type seedPeers/;
  await assert.rejects(provider.check({ signal }), { kind: 'Unreachable', message });
  await assert.rejects(provider.warm(IMAGE, { timeoutMs: 60_000, signal }), { kind: 'Unreachable' });
});

const ODD_ANSWERS: [string, number, string, RegExp, ProviderErrorKind?][] = [
  [
    'a registry at an address that managers do not connect to',
    500,
    '{"message": "Get https://127.0.0.1/v2/: dial tcp: ip 127.0.0.1 is invalid"}',
    /connects to no registry at a loopback or link-local address.*use the provider type seedPeers/,
    'Rejected',
  ],
  ['a page of HTML', 200, '<html>', /answer is not understood: all of it/],
  ['a job without a state', 200, '{"id": 4}', /answer is not understood: state/],
  [
    'more than anyone wants to read',
    200,
    `{"id": 4, "state": "PENDING", "x": "${'x'.repeat(5_000_000)}"}`,
    /not understood/,
  ],
  [
    'the registry refusing the manager',
    500,
    '{"message": "unauthorized for Bearer s3cret"}',
    /answered 500: unauthorized for …/,
  ],
  ['arguments refused', 422, '{"errors": "Key: args.type"}', /answered 422: Key: args\.type/],
];

for (const [what, status, body, message, kind = 'Failed'] of ODD_ANSWERS) {
  test(`${what} ends the warm with what was wrong`, async () => {
    const server = createServer((_, outgoing) => outgoing.writeHead(status).end(body));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const provider = providerAt(url, [{ name: 'seed-0', url: 'http://127.0.0.1:1' }]);
      const { signal } = new AbortController();
      await assert.rejects(provider.warm(IMAGE, { timeoutMs: 60_000, signal }), { kind, message });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
}

test('a warm that is aborted ends with the reason', async () => {
  const abort = new AbortController();
  const token = (): Promise<string> => {
    abort.abort(new Error('shutting down'));
    return Promise.resolve(TOKEN);
  };
  await using world = await startWorld({ token });
  const warmed = world.provider.warm(IMAGE, { timeoutMs: 60_000, signal: abort.signal });
  await assert.rejects(warmed, /shutting down/);
});

function providerAt(url: string, seeds: readonly Seed[]): ManagerProvider {
  return new ManagerProvider({
    url,
    token: () => Promise.resolve(TOKEN),
    clusterIDs: [],
    scope: 'all_seed_peers',
    seeds: () => Promise.resolve(seeds),
    clock: new HurriedClock(),
  });
}
