import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronDecisions, fitCron } from './cron.ts';
import { episodes, judge } from './judge.ts';
import type { Criteria } from './judge.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const CRITERIA: Criteria = { warmMs: 30_000, withinMs: 10 * MINUTE, cooldownMs: 5 * MINUTE, from: 0, to: 30 * DAY };

test('scale-outs that follow one another within the cooldown are one episode', () => {
  const times = [0, 4 * MINUTE, 8 * MINUTE, 20 * MINUTE];
  assert.deepEqual(episodes(times, 5 * MINUTE), [0, 20 * MINUTE]);
});

test('an episode was warmed before when the warm was finished before its first new Pod', () => {
  const scaleOuts = [1 * HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR];
  const decisions = [
    1 * HOUR - 30_000, // In time, with nothing to spare.
    2 * HOUR - 29_000, // A second too late.
    3 * HOUR - 11 * MINUTE, // So early that it was about something else.
  ];
  const { episodes: count, warmedBefore, recall } = judge(decisions, scaleOuts, CRITERIA);
  assert.deepEqual([count, warmedBefore, recall], [4, 1, 0.25]);
});

test('a decision that no scale-out follows is a false alarm, and false alarms in a row waste one warm', () => {
  const decisions = [HOUR - MINUTE, 2 * HOUR, 2 * HOUR + 5 * MINUTE, 5 * HOUR];
  const verdict = judge(decisions, [HOUR], CRITERIA);
  assert.deepEqual([verdict.decisions, verdict.falseAlarms, verdict.wastedWarms, verdict.precision], [4, 3, 2, 0.25]);
});

test('a decision in the round of the scale-out foresaw nothing: it is neither right nor wrong', () => {
  const verdict = judge([HOUR, 2 * HOUR - MINUTE], [HOUR, 2 * HOUR], CRITERIA);
  assert.deepEqual([verdict.decisions, verdict.late, verdict.precision, verdict.recall], [1, 1, 1, 0.5]);
});

test('the lead is from the end of the warm, and the first new Pod warms what nobody foresaw', () => {
  const verdict = judge([HOUR - 2 * MINUTE], [HOUR, 2 * HOUR], CRITERIA);
  assert.deepEqual([verdict.leadP50Ms, verdict.leadP10Ms], [-30_000, -30_000]);
  assert.equal(judge([HOUR - 2 * MINUTE], [HOUR], CRITERIA).leadP50Ms, 90_000);
});

test('only the judged part counts, and there may be nothing in it', () => {
  const verdict = judge([HOUR - MINUTE], [HOUR], { ...CRITERIA, from: 2 * HOUR });
  assert.deepEqual([verdict.episodes, verdict.decisions], [0, 0]);
  assert.deepEqual([verdict.recall, verdict.precision, verdict.leadP50Ms], [undefined, undefined, undefined]);
});

test('the cron baseline warms in time at the hours of the training part', () => {
  const daily = Array.from({ length: 10 }, (_, day) => day * DAY + 8 * HOUR + 3 * MINUTE);
  const cron = fitCron(daily, { ...CRITERIA, to: 5 * DAY });
  assert.deepEqual(cron.times, [8 * HOUR - 30_000]);
  const judged = { ...CRITERIA, from: 5 * DAY, to: 10 * DAY };
  const { recall, precision } = judge(cronDecisions(cron, judged), daily, judged);
  assert.deepEqual([recall, precision], [1, 1]);
});

test('the cron baseline leaves out the hour of a single accident', () => {
  const daily = Array.from({ length: 10 }, (_, day) => day * DAY + 8 * HOUR);
  const cron = fitCron(
    [...daily, 3 * DAY + 17 * HOUR].toSorted((a, b) => a - b),
    CRITERIA,
  );
  assert.deepEqual(cron.times, [8 * HOUR - 30_000]);
  assert.deepEqual(fitCron([], CRITERIA).times, []);
});
