import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { controllerRateLimiter } from './rate-limiter.ts';

describe('item exponential failure rate limiter', () => {
  const unlimited = { qps: 1e9, burst: 1e9 };

  test('doubles the delay of each key on its own, and starts over when it is forgotten', () => {
    const limiter = controllerRateLimiter(new FakeClock(), { ...unlimited, baseDelay: 1, maxDelay: 1_000 });
    assert.deepEqual(
      Array.from({ length: 5 }, () => limiter.when('one')),
      [1, 2, 4, 8, 16],
    );
    assert.equal(limiter.numRequeues('one'), 5);
    assert.deepEqual([limiter.when('two'), limiter.when('two')], [1, 2]);
    limiter.forget('one');
    assert.equal(limiter.numRequeues('one'), 0);
    assert.equal(limiter.when('one'), 1);
    assert.equal(limiter.numRequeues('two'), 2);
  });

  test('never goes beyond the longest delay, however often a key fails', () => {
    const limiter = controllerRateLimiter(new FakeClock(), unlimited);
    for (let failures = 0; failures < 5_000; failures++) {
      limiter.when('one');
    }
    assert.equal(limiter.when('one'), 1_000_000);
  });
});

describe('bucket rate limiter', () => {
  test('lets a burst go at once, then ten a second over all keys', async () => {
    const clock = new FakeClock();
    const limiter = controllerRateLimiter(clock, { baseDelay: 0 });
    const burst = Array.from({ length: 100 }, (_, i) => limiter.when(`key-${i}`));
    assert.equal(Math.max(...burst), 0);
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => limiter.when(key)),
      [100, 200, 300],
    );
    await clock.advance(1_000);
    assert.equal(limiter.when('d'), 0, 'tokens come back with time');
    await clock.advance(3_600_000);
    const afterAnHour = Array.from({ length: 101 }, (_, i) => limiter.when(`key-${i}`));
    assert.deepEqual(afterAnHour.slice(99), [0, 100], 'no more than a burst is saved up');
  });

  test('the longer of the two delays holds', () => {
    const limiter = controllerRateLimiter(new FakeClock(), { baseDelay: 150, qps: 10, burst: 1 });
    assert.equal(limiter.when('a'), 150);
    assert.equal(limiter.when('b'), 150);
    assert.equal(limiter.when('c'), 200);
  });
});
