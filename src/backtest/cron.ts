import { episodes, judge } from './judge.ts';
import type { Criteria } from './judge.ts';

/** Minutes that one entry of the schedule stands for. */
const SLOT_MS = 600_000;
const DAY_MS = 86_400_000;

/** A daily schedule: times of day (UTC) in milliseconds, each on enough days of the training part to be worth it. */
export interface Cron {
  readonly times: readonly number[];
}

/**
 * The schedule that somebody would write who looked at the training part: every ten minutes of the day in which episodes began on at
 * least so many of its days; how many is what does best there (F1). Each entry lies early enough for its warm.
 */
export function fitCron(scaleOuts: readonly number[], training: Criteria): Cron {
  const starts = episodes(scaleOuts, training.cooldownMs).filter((at) => at >= training.from && at < training.to);
  const daysBySlot = new Map<number, Set<number>>();
  for (const start of starts) {
    const slot = Math.floor((start % DAY_MS) / SLOT_MS) * SLOT_MS;
    daysBySlot.set(slot, (daysBySlot.get(slot) ?? new Set()).add(Math.floor(start / DAY_MS)));
  }
  const most = Math.max(0, ...[...daysBySlot.values()].map((days) => days.size));
  let best: { cron: Cron; score: number } = { cron: { times: [] }, score: -1 };
  for (let days = 1; days <= most; days++) {
    const slots = [...daysBySlot].filter(([, seen]) => seen.size >= days).map(([slot]) => slot);
    const cron = { times: slots.map((slot) => slot - training.warmMs).toSorted((a, b) => a - b) };
    const { precision = 0, recall = 0 } = judge(cronDecisions(cron, training), scaleOuts, training);
    const score = precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
    best = score > best.score ? { cron, score } : best;
  }
  return best.cron;
}

/** When a schedule fires in [from, to). */
export function cronDecisions({ times }: Cron, { from, to }: Pick<Criteria, 'from' | 'to'>): number[] {
  const decisions: number[] = [];
  for (let day = Math.floor(from / DAY_MS) * DAY_MS; day < to + DAY_MS; day += DAY_MS) {
    decisions.push(...times.map((time) => day + time).filter((at) => at >= from && at < to));
  }
  return decisions.toSorted((a, b) => a - b);
}
