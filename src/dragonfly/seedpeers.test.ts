import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSeedDouble } from '../../test/doubles/seed-peer.ts';
import type { SeedReply, SeedRequest } from '../../test/doubles/seed-peer.ts';
import { blobOf, imageOf } from '../../test/support/images.ts';
import { settle } from '../../test/support/fake-clock.ts';
import { HurriedClock } from '../../test/support/hurried-clock.ts';
import { ProviderError } from './provider.ts';
import type { ProviderErrorKind, Seed, WarmProgress } from './provider.ts';
import { SMALLEST_PIECE } from './pieces.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { WarmLimits } from './limits.ts';
import { chooseSeeds } from './rendezvous.ts';
import { SeedPeersProvider } from './seedpeers.ts';

const BLOB = blobOf('layer', 3 * SMALLEST_PIECE);
const IMAGE = imageOf([BLOB], { authorization: 'Bearer s3cret' });
const GONE: Seed = { name: 'gone', url: 'http://127.0.0.1:1' };

function providerOf(
  seeds: readonly Seed[],
  clock = new HurriedClock(),
  limits: WarmLimits = DEFAULT_LIMITS,
): SeedPeersProvider {
  return new SeedPeersProvider({ seeds: () => Promise.resolve(seeds), limits, clock });
}

/** Seeds of these names in the order in which they get {@link BLOB}. */
function namesInOrder(...names: string[]): string[] {
  const seeds = names.map((name) => ({ name, url: 'http://127.0.0.1:1' }));
  return chooseSeeds(seeds, BLOB.digest).map(({ name }) => name);
}

function within(timeoutMs: number, signal = new AbortController().signal): { timeoutMs: number; signal: AbortSignal } {
  return { timeoutMs, signal };
}

function failed(status: number, type: string, headers: Record<string, string> = {}): SeedReply {
  return { status, headers: { 'X-Dragonfly-Error-Type': type, ...headers } };
}

async function rejection(promise: Promise<unknown>): Promise<ProviderError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ProviderError, String(error));
  return error;
}

async function failureWith(fault: (request: SeedRequest) => SeedReply | undefined): Promise<ProviderError> {
  await using double = await startSeedDouble({ fault });
  return await rejection(providerOf([double.seed]).warm(IMAGE, within(60_000)));
}

test('a warm prefetches each blob once and then reads every piece back', async () => {
  await using double = await startSeedDouble();
  await providerOf([double.seed]).warm(IMAGE, within(60_000));
  assert.deepEqual(
    double.requests.map(({ offset, prefetch }) => [offset, prefetch]),
    [
      [0, true],
      [SMALLEST_PIECE, false],
      [2 * SMALLEST_PIECE, false],
      [3 * SMALLEST_PIECE - 1, false],
    ],
  );
});

test('pieces that a broken prefetch left out are got one by one', async () => {
  await using double = await startSeedDouble();
  const { pieces } = double;
  const hex = BLOB.digest.slice('sha256:'.length);
  // As after a prefetch that failed: the seed takes no other for this task.
  await using stuck = await startSeedDouble({
    fault: (request) => {
      if (request.prefetch) {
        stuck.pieces.set(hex, new Set([0]));
        return { status: 206, headers: { 'X-Dragonfly-Task-Id': hex }, body: 'x' };
      }
      return undefined;
    },
  });
  await providerOf([stuck.seed, double.seed]).warm(IMAGE, within(60_000));
  assert.deepEqual([...(stuck.pieces.get(hex) ?? [])], [0, 1, 2]);
  assert.ok(pieces.has(hex));
});

test('one seed gets a blob before the others, so that they can get the blobs from it', async () => {
  const order: string[] = [];
  const record = (name: string) => (): undefined => void order.push(name);
  await using a = await startSeedDouble({ name: 'a', fault: record('a') });
  await using b = await startSeedDouble({ name: 'b', fault: record('b') });
  await providerOf([a.seed, b.seed]).warm(IMAGE, within(60_000));
  const [first = '', second = ''] = namesInOrder('a', 'b');
  assert.equal(order.join(''), first.repeat(4) + second.repeat(4));
});

test('the others are warmed all at once', async () => {
  const cAsked = Promise.withResolvers<undefined>();
  const [first = '', second = '', third = ''] = namesInOrder('a', 'b', 'c');
  await using a = await startSeedDouble({ name: first });
  await using b = await startSeedDouble({ name: second, fault: () => cAsked.promise });
  await using c = await startSeedDouble({ name: third, fault: () => cAsked.resolve(undefined) as undefined });
  await providerOf([a.seed, b.seed, c.seed]).warm(IMAGE, within(60_000));
});

test('progress counts each blob once, however many seeds get it', async () => {
  await using a = await startSeedDouble({ name: 'a' });
  await using b = await startSeedDouble({ name: 'b' });
  const image = imageOf([blobOf('one', 10), blobOf('two', 10)]);
  const progress: WarmProgress[] = [];
  await providerOf([a.seed, b.seed]).warm(image, { ...within(60_000), onProgress: (warm) => progress.push(warm) });
  assert.deepEqual(progress, [
    { blobs: 1, bytes: 10 },
    { blobs: 2, bytes: 20 },
  ]);
});

test('a seed that is gone is an error, after the others were warmed', async () => {
  await using double = await startSeedDouble();
  const error = await rejection(providerOf([GONE, double.seed]).warm(IMAGE, within(60_000)));
  assert.equal(error.kind, 'Unreachable');
  assert.match(error.message, /gone at http:\/\/127\.0\.0\.1:1/);
  assert.equal(double.pieces.get(BLOB.digest.slice('sha256:'.length))?.size, 16);
});

test('what the origin refuses to one seed is not asked of the next', async () => {
  const fault = (): SeedReply => failed(403, 'backend');
  await using other = await startSeedDouble({ name: 'other', fault });
  await using double = await startSeedDouble({ fault });
  const error = await rejection(providerOf([double.seed, other.seed]).warm(IMAGE, within(60_000)));
  assert.deepEqual([error.kind, error.reason], ['Rejected', 'OriginRejected']);
  assert.match(error.message, /the origin answered 403/);
  assert.equal(double.requests.length + other.requests.length, 1);
});

test('a blob that two images have is brought once while both are warmed', async () => {
  await using double = await startSeedDouble();
  const provider = providerOf([double.seed]);
  const images = [imageOf([BLOB, blobOf('one', 10)]), imageOf([BLOB, blobOf('two', 10)])];
  await Promise.all(images.map((image) => provider.warm(image, within(60_000))));
  assert.equal(double.requests.filter(({ prefetch }) => prefetch).length, 3);
});

test('a warm that is aborted ends for nobody else who waits for the same blob', async () => {
  const asked = Promise.withResolvers<undefined>();
  const goOn = Promise.withResolvers<undefined>();
  await using double = await startSeedDouble({
    fault: () => {
      asked.resolve(undefined);
      return goOn.promise;
    },
  });
  const provider = providerOf([double.seed]);
  const abort = new AbortController();
  const aborted = provider.warm(IMAGE, within(60_000, abort.signal));
  const other = provider.warm(IMAGE, within(60_000));
  await asked.promise;
  abort.abort(new Error('not wanted any more'));
  await assert.rejects(aborted, /not wanted any more/);
  goOn.resolve(undefined);
  await other;
  assert.equal(double.requests.filter(({ prefetch }) => prefetch).length, 1);
});

test('with fewer replicas than seeds each blob is brought to its own seeds only, and only those are verified', async () => {
  await using stack = new AsyncDisposableStack();
  const doubles = await Promise.all(['a', 'b', 'c'].map(async (name) => stack.use(await startSeedDouble({ name }))));
  const seeds = doubles.map(({ seed }) => seed);
  const blobs = Array.from({ length: 12 }, (_, i) => blobOf(`blob ${i}`, 10));
  const image = imageOf(blobs, { seedReplicas: 2 });
  const provider = providerOf(seeds);
  await provider.warm(image, within(60_000));
  for (const { digest } of blobs) {
    const on = doubles.filter(({ pieces }) => pieces.has(digest.slice(7))).map(({ seed }) => seed.name);
    const wanted = chooseSeeds(seeds, digest, 2).map(({ name }) => name);
    assert.deepEqual(on, wanted.toSorted());
  }
  const states = await provider.verify(image, { signal: new AbortController().signal });
  assert.equal(states.length, 24);
  assert.ok(states.every(({ warm }) => warm));
});

test('no more blobs come from one registry at once than it is to bear', async () => {
  let now = 0;
  let most = 0;
  await using double = await startSeedDouble({
    fault: async () => {
      most = Math.max(most, ++now);
      await settle();
      now -= 1;
      return undefined;
    },
  });
  const limits = { maxConcurrentBlobs: 10, maxConcurrentBlobsPerRegistry: 2 };
  const image = imageOf(Array.from({ length: 8 }, (_, i) => blobOf(`blob ${i}`, 10)));
  await providerOf([double.seed], new HurriedClock(), limits).warm(image, within(60_000));
  assert.equal(most, 2);
});

test('what is needed sooner overtakes what waits already', async () => {
  const order: string[] = [];
  const gate = Promise.withResolvers<undefined>();
  const [far, near] = [blobOf('far', 10), blobOf('near', 10)];
  await using double = await startSeedDouble({
    fault: ({ hex }) => {
      order.push([BLOB, far, near].findIndex(({ digest }) => digest.endsWith(hex)).toString());
      return order.length === 1 ? gate.promise : undefined;
    },
  });
  const limits = { maxConcurrentBlobs: 1, maxConcurrentBlobsPerRegistry: 1 };
  const clock = new HurriedClock();
  const provider = providerOf([double.seed], clock, limits);
  const soon = clock.now();
  const later = new Date(soon.getTime() + 300_000);
  const warms = [
    provider.warm(imageOf([blobOf('layer', 10)]), within(60_000)),
    provider.warm(imageOf([far]), { ...within(60_000), neededAt: later }),
    provider.warm(imageOf([near]), { ...within(60_000), neededAt: soon }),
  ];
  gate.resolve(undefined);
  await Promise.all(warms);
  assert.deepEqual(order, ['0', '2', '1']);
});

test('what would not fit on a seed is refused before a byte is asked for', async () => {
  await using double = await startSeedDouble();
  const provider = providerOf([double.seed], new HurriedClock(), { ...DEFAULT_LIMITS, maxSeedBytes: BLOB.size });
  await provider.warm(IMAGE, within(60_000));
  const before = double.requests.length;
  const error = await rejection(provider.warm(imageOf([blobOf('more', 10)]), within(60_000)));
  assert.equal(error.reason, 'SeedBudgetExceeded');
  assert.equal(double.requests.length, before);
  await provider.warm(IMAGE, within(60_000));
});

test('seeds that filed a blob under a wrong id are refused until that is set right', async () => {
  let wrong = true;
  await using double = await startSeedDouble({ taskID: (hex) => (wrong ? 'e'.repeat(64) : hex) });
  const provider = providerOf([double.seed]);
  const { signal } = within(1);
  await provider.check({ signal });
  assert.equal((await rejection(provider.warm(IMAGE, within(60_000)))).reason, 'TaskIDMismatch');
  assert.equal((await rejection(provider.check({ signal }))).reason, 'TaskIDMismatch');
  wrong = false;
  await provider.check({ signal });
  const asked = double.requests.length;
  await provider.check({ signal });
  assert.equal(double.requests.length, asked + 1);
});

const FAILURES: [string, (request: SeedRequest) => SeedReply | undefined, ProviderErrorKind, RegExp][] = [
  ['has no space', () => failed(507, 'dfdaemon'), 'Failed', /has no space left/],
  ['is no Dragonfly proxy', () => ({ status: 200, body: 'hello' }), 'Failed', /not as a Dragonfly proxy/],
  [
    'files blobs under ids of its own',
    () => ({ status: 206, headers: { 'X-Dragonfly-Task-Id': 'e'.repeat(64) }, body: 'x' }),
    'Failed',
    /enableTaskIDBasedBlobDigest: true/,
  ],
  ['never stops stumbling', () => failed(500, 'dfdaemon'), 'TimedOut', /0 of 1 blobs are warm; last: seed peer seed-0/],
];

for (const [what, fault, kind, message] of FAILURES) {
  test(`a seed that ${what} ends the warm with ${kind}`, async () => {
    const error = await failureWith(fault);
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /s3cret/);
  });
}

test('a seed or an origin that is busy is asked again, after as long as it says', async () => {
  const clock = new HurriedClock();
  const replies = [failed(429, 'backend', { 'Retry-After': '20' }), failed(503, 'backend'), failed(500, 'dfdaemon')];
  await using double = await startSeedDouble({ fault: () => replies.shift() });
  await providerOf([double.seed], clock).warm(IMAGE, within(60_000));
  // 20 s as asked, then the second and third pause of the warm's own.
  assert.equal(clock.monotonic(), 20_000 + 500 + 1000);
});

test('a warm that is aborted ends with the reason', async () => {
  const abort = new AbortController();
  await using double = await startSeedDouble({
    fault: () => {
      abort.abort(new Error('shutting down'));
      return failed(500, 'dfdaemon');
    },
  });
  await assert.rejects(providerOf([double.seed]).warm(IMAGE, within(60_000, abort.signal)), /shutting down/);
});

test('without any seed nothing can be done', async () => {
  const provider = providerOf([]);
  const { signal } = within(1);
  assert.equal((await rejection(provider.warm(IMAGE, within(1)))).kind, 'Unreachable');
  assert.equal((await rejection(provider.verify(IMAGE, { signal }))).kind, 'Unreachable');
  assert.equal((await rejection(provider.check({ signal }))).kind, 'Unreachable');
});

test('the provider can be used while one seed answers, and not when none does', async () => {
  const { signal } = within(1);
  await using double = await startSeedDouble();
  await providerOf([GONE, double.seed]).check({ signal });
  const error = await rejection(providerOf([GONE]).check({ signal }));
  assert.match(error.message, /no seed peer can be used: gone at/);
});
