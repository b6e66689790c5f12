import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSeedDouble } from '../../test/doubles/seed-peer.ts';
import type { SeedReply, SeedRequest } from '../../test/doubles/seed-peer.ts';
import { blobOf, imageOf } from '../../test/support/images.ts';
import { HurriedClock } from '../../test/support/hurried-clock.ts';
import { ProviderError } from './provider.ts';
import type { ProviderErrorKind, Seed, WarmProgress } from './provider.ts';
import { SMALLEST_PIECE } from './pieces.ts';
import { SeedPeersProvider } from './seedpeers.ts';

const BLOB = blobOf('layer', 3 * SMALLEST_PIECE);
const IMAGE = imageOf([BLOB], { authorization: 'Bearer s3cret' });
const GONE: Seed = { name: 'gone', url: 'http://127.0.0.1:1' };

function providerOf(seeds: readonly Seed[], clock = new HurriedClock()): SeedPeersProvider {
  return new SeedPeersProvider({ seeds: () => Promise.resolve(seeds), clock });
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

test('one seed is warmed before the others, so that they can get the blobs from it', async () => {
  const order: string[] = [];
  const record = (name: string) => (): undefined => void order.push(name);
  await using a = await startSeedDouble({ name: 'a', fault: record('a') });
  await using b = await startSeedDouble({ name: 'b', fault: record('b') });
  await providerOf([a.seed, b.seed]).warm(IMAGE, within(60_000));
  assert.equal(order.join(''), 'aaaabbbb');
});

test('the others are warmed all at once', async () => {
  const cAsked = Promise.withResolvers<undefined>();
  await using a = await startSeedDouble({ name: 'a' });
  await using b = await startSeedDouble({ name: 'b', fault: () => cAsked.promise });
  await using c = await startSeedDouble({ name: 'c', fault: () => cAsked.resolve(undefined) as undefined });
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
  await using other = await startSeedDouble({ name: 'other' });
  await using double = await startSeedDouble({ fault: () => failed(403, 'backend') });
  const error = await rejection(providerOf([double.seed, other.seed]).warm(IMAGE, within(60_000)));
  assert.equal(error.kind, 'Rejected');
  assert.match(error.message, /the origin answered 403/);
  assert.equal(other.requests.length, 0);
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
