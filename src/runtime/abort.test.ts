import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { DeadlineExceededError, abortable, aborted, withDeadline } from './abort.ts';
import { systemClock } from './clock.ts';

const never = new Promise<never>(() => {});
const reason = new Error('stopping');

describe('abortable', () => {
  test('ends as the promise does', async () => {
    const { signal } = new AbortController();
    assert.equal(await abortable(Promise.resolve(1), signal), 1);
    await assert.rejects(abortable(Promise.reject(reason), signal), reason);
  });

  test('ends with the signal when the promise does not', async () => {
    const abort = new AbortController();
    const waiting = abortable(never, abort.signal);
    abort.abort(reason);
    await assert.rejects(waiting, reason);
    await assert.rejects(abortable(never, abort.signal), reason);
  });

  test('what becomes of the promise afterwards is no unhandled rejection', async () => {
    const late = Promise.withResolvers<never>();
    await assert.rejects(abortable(late.promise, AbortSignal.abort(reason)), reason);
    late.reject(new Error('too late'));
    await settle();
  });
});

test('aborted resolves when the signal aborts, or has', async () => {
  const abort = new AbortController();
  const waiting = aborted(abort.signal);
  abort.abort();
  await waiting;
  await aborted(abort.signal);
});

describe('withDeadline', () => {
  test('gives the call up when its time is over, and tells it', async () => {
    const clock = new FakeClock();
    let given: AbortSignal | undefined;
    const { signal } = new AbortController();
    const failed = assert.rejects(
      withDeadline({ clock, ms: 1_000, what: 'the call', signal }, (bounded) => {
        given = bounded;
        return never;
      }),
      (error) => error instanceof DeadlineExceededError && error.message === 'the call took longer than 1 s',
    );
    await clock.advance(1_000);
    await failed;
    assert.equal(given?.aborted, true);
  });

  test('gives the call up when the signal aborts', async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const waiting = withDeadline({ clock, ms: 1_000, what: 'the call', signal: abort.signal }, () => never);
    abort.abort(reason);
    await assert.rejects(waiting, reason);
    assert.equal(clock.timers, 0);
  });

  test('leaves neither a timer nor work behind when the call ends in time', async () => {
    const clock = new FakeClock();
    const { signal } = new AbortController();
    const given = await withDeadline({ clock, ms: 1_000, what: 'the call', signal }, async (bounded) => bounded);
    assert.deepEqual([given.aborted, clock.timers], [true, 0]);
  });
});

describe('systemClock', () => {
  test('a sleep ends with its signal', async () => {
    const abort = new AbortController();
    const sleeping = systemClock.sleep(1_000_000, abort.signal);
    abort.abort(reason);
    await assert.rejects(sleeping, reason);
    await assert.rejects(systemClock.sleep(1_000_000, abort.signal), reason);
    await systemClock.sleep(0);
  });

  test('a delay that is longer than setTimeout takes does not fire at once', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let fired = 0;
    const month = 30 * 24 * 3_600_000;
    systemClock.after(month, () => fired++);
    systemClock.after(month, () => fired++).cancel();
    t.mock.timers.tick(2 ** 31 - 1);
    assert.equal(fired, 0);
    t.mock.timers.tick(month - (2 ** 31 - 1));
    assert.equal(fired, 1);
  });
});
