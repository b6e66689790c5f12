import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schedule } from '../api/v1alpha1/prefetchpolicy.ts';
import { lookAtSchedule, ScheduleError } from './schedule.ts';

const REPLICAS = { currentReplicas: 2, maxReplicas: 10 };

function schedule(overrides: Partial<Schedule> = {}): Schedule {
  return { cron: '0 8 * * 1-5', timeZone: 'Asia/Jakarta', lead: '5m', ...overrides };
}

test('a schedule speaks from its lead before the time on, until the time, in its own time zone', () => {
  // Monday 08:00 in Jakarta is 01:00 UTC.
  const early = lookAtSchedule(schedule(), REPLICAS, new Date('2026-03-30T00:54:59Z'));
  assert.equal(early.sign, undefined);
  assert.equal(early.next.toISOString(), '2026-03-30T00:55:00.000Z');

  const near = lookAtSchedule(schedule(), REPLICAS, new Date('2026-03-30T00:55:00Z'));
  assert.equal(near.sign?.expectedBy?.toISOString(), '2026-03-30T01:00:00.000Z');
  assert.equal(near.sign.expectedReplicas, 3);

  const over = lookAtSchedule(schedule(), REPLICAS, new Date('2026-03-30T01:00:00Z'));
  assert.equal(over.sign, undefined);
  assert.equal(over.next.toISOString(), '2026-03-31T00:55:00.000Z');
});

test('a schedule speaks only of more replicas than there are, and of no more than there may be', () => {
  const now = new Date('2026-03-30T00:58:00Z');
  assert.equal(lookAtSchedule(schedule({ replicas: 2 }), REPLICAS, now).sign, undefined);
  assert.equal(lookAtSchedule(schedule({ replicas: 50 }), REPLICAS, now).sign?.expectedReplicas, 10);
  assert.equal(lookAtSchedule(schedule(), { currentReplicas: 10, maxReplicas: 10 }, now).sign, undefined);
  assert.equal(lookAtSchedule(schedule(), { currentReplicas: 0, maxReplicas: 10 }, now).sign?.expectedReplicas, 1);
});

test('daylight saving neither loses a time nor doubles it', () => {
  const daily = schedule({ cron: '30 2 * * *', timeZone: 'Europe/Berlin', lead: '0s' });
  const times = (from: string): string[] => {
    const first = lookAtSchedule(daily, REPLICAS, new Date(from)).next;
    return [first, lookAtSchedule(daily, REPLICAS, first).next].map((time) => time.toISOString());
  };
  // 2026-03-29 has no 02:30 in Berlin, and 2026-10-25 has two.
  assert.deepEqual(times('2026-03-28T12:00:00Z'), ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z']);
  assert.deepEqual(times('2026-10-24T12:00:00Z'), ['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z']);
});

test('a time that comes every minute is looked at again each minute', () => {
  const now = new Date('2026-03-30T00:55:30Z');
  const { sign, next } = lookAtSchedule(schedule({ cron: '* * * * *' }), REPLICAS, now);
  assert.ok(sign);
  assert.ok(next.getTime() - now.getTime() <= 120_000);
});

test('what can never be followed is said, and why', () => {
  const now = new Date('2026-03-30T00:00:00Z');
  const cases: [Partial<Schedule>, RegExp][] = [
    [{ cron: '0 0 30 2 *' }, /never comes: there is no such day/],
    [{ cron: 'every day' }, /"every day" in Asia\/Jakarta: /],
    [{ cron: '* * * * * *' }, /requires exactly 5 parts/],
    [{ cron: '61 * * * *' }, /"61 \* \* \* \*"/],
    [{ timeZone: 'Mars/Olympus' }, /in Mars\/Olympus: .*timezone/],
  ];
  for (const [overrides, message] of cases) {
    assert.throws(
      () => lookAtSchedule(schedule(overrides), REPLICAS, now),
      (error) => error instanceof ScheduleError && message.test(error.message),
      JSON.stringify(overrides),
    );
  }
});
