import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../test/support/fake-clock.ts';
import { createFlights } from './flights.ts';
import type { Flight, Passenger } from './flights.ts';

interface Traveller extends Passenger<number> {
  readonly abort: AbortController;
  readonly seen: number[];
}

function traveller(options: { neededAt?: number; means?: string } = {}): Traveller {
  const abort = new AbortController();
  const seen: number[] = [];
  return {
    abort,
    seen,
    signal: abort.signal,
    neededAt: options.neededAt ?? 0,
    means: options.means ?? '',
    onProgress: (progress) => seen.push(progress),
  };
}

/** Work that ends when it is told to, and how often it was started. */
function pending(): {
  work: (flight: Flight<number>) => Promise<void>;
  started: Flight<number>[];
  ends: PromiseWithResolvers<void>[];
} {
  const started: Flight<number>[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  return {
    started,
    ends,
    async work(flight) {
      started.push(flight);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      await end.promise;
    },
  };
}

test('what several want at the same time is done once, and all see how far it is', async () => {
  const flights = createFlights<number>();
  const { work, started, ends } = pending();
  const [a, b] = [traveller(), traveller()];
  const first = flights.join('blob', a, work);
  started[0]?.report(1);
  const second = flights.join('blob', b, work);
  started[0]?.report(2);
  ends[0]?.resolve();
  await Promise.all([first, second]);
  assert.equal(started.length, 1);
  assert.deepEqual(
    [a.seen, b.seen],
    [
      [1, 2],
      [1, 2],
    ],
  );
});

test('what is wanted again afterwards is done again', async () => {
  const flights = createFlights<number>();
  let times = 0;
  const work = (): Promise<void> => Promise.resolve(void times++);
  await flights.join('blob', traveller(), work);
  await flights.join('blob', traveller(), work);
  assert.equal(times, 2);
});

test('one who goes ends it for nobody else', async () => {
  const flights = createFlights<number>();
  const { work, started, ends } = pending();
  const [a, b] = [traveller(), traveller()];
  const first = flights.join('blob', a, work);
  const second = flights.join('blob', b, work);
  a.abort.abort(new Error('a is gone'));
  await assert.rejects(first, /a is gone/);
  assert.equal(started[0]?.signal.aborted, false);
  ends[0]?.resolve();
  await second;
});

test('when all have gone it ends, and who comes then does not join what is ending', async () => {
  const flights = createFlights<number>();
  const { work, started, ends } = pending();
  const [a, b] = [traveller(), traveller()];
  const gone = [flights.join('blob', a, work), flights.join('blob', b, work)];
  a.abort.abort(new Error('gone'));
  b.abort.abort(new Error('gone'));
  assert.deepEqual(
    (await Promise.allSettled(gone)).map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(started[0]?.signal.aborted, true);
  const again = flights.join('blob', traveller(), work);
  assert.equal(started.length, 2);
  ends[0]?.reject(new Error('too late'));
  ends[1]?.resolve();
  await again;
});

test('it is as urgent as the most urgent of those who want it', async () => {
  const flights = createFlights<number>();
  const { work, started, ends } = pending();
  const urgent = traveller({ neededAt: 10 });
  const joins = [flights.join('blob', traveller({ neededAt: 50 }), work)];
  assert.equal(started[0]?.neededAt(), 50);
  joins.push(flights.join('blob', urgent, work).catch(() => undefined));
  assert.equal(started[0]?.neededAt(), 10);
  urgent.abort.abort(new Error('gone'));
  await settle();
  assert.equal(started[0]?.neededAt(), 50);
  ends[0]?.resolve();
  await Promise.all(joins);
});

test('what failed by the credentials of another is tried with the own ones', async () => {
  const flights = createFlights<number>();
  const { work, started, ends } = pending();
  const refused = flights.join('blob', traveller({ means: 'bad' }), work);
  const alike = flights.join('blob', traveller({ means: 'bad' }), work);
  const other = flights.join('blob', traveller({ means: 'good' }), work);
  ends[0]?.reject(new Error('401'));
  await assert.rejects(refused, /401/);
  await assert.rejects(alike, /401/);
  await settle();
  assert.equal(started.length, 2);
  ends[1]?.resolve();
  await other;
});
