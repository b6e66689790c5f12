import { quantile } from '../autoscaling/quantile.ts';

/** What decisions are judged by; times in milliseconds. */
export interface Criteria {
  /** From a decision to the end of its warm. */
  readonly warmMs: number;
  /** How long after a decision a scale-out counts as the one that it foresaw. */
  readonly withinMs: number;
  /** Scale-outs that follow one another within this time are one episode. */
  readonly cooldownMs: number;
  /** Only what lies in [from, to) is judged. */
  readonly from: number;
  readonly to: number;
}

/** How well decisions foresaw scale-outs. */
export interface Verdict {
  readonly episodes: number;
  /** Episodes whose warm was finished before their first new Pod. */
  readonly warmedBefore: number;
  /** Decisions, but for those in the very round of a scale-out: these foresee nothing. */
  readonly decisions: number;
  /** Decisions in the round of a scale-out. */
  readonly late: number;
  readonly falseAlarms: number;
  /** Warms that no scale-out used: false alarms, of which those that meet a warm of their own are one. */
  readonly wastedWarms: number;
  /** Share of the decisions that a scale-out followed; undefined without decisions. */
  readonly precision: number | undefined;
  /** Share of the episodes that were warmed before; undefined without episodes. */
  readonly recall: number | undefined;
  /** From the end of the warm to the first new Pod of an episode; one without a decision is warmed by its own first Pod. */
  readonly leadP50Ms: number | undefined;
  readonly leadP10Ms: number | undefined;
}

/** Judges decisions by the scale-outs; both in ascending order of time. */
export function judge(decisions: readonly number[], scaleOuts: readonly number[], criteria: Criteria): Verdict {
  const { warmMs, withinMs, from, to } = criteria;
  const judged = (at: number): boolean => at >= from && at < to;
  const starts = episodes(scaleOuts, criteria.cooldownMs).filter(judged);
  // What was decided so late that the end comes first can be neither right nor wrong.
  const within = decisions.filter((at) => judged(at) && at < to - withinMs);
  const events = new Set(scaleOuts);
  const early = within.filter((at) => !events.has(at));
  const alarms = early.filter((at) => firstAfter(scaleOuts, at) > at + withinMs);
  const leads = starts.map((start) => {
    const decided = decisions.find((at) => at >= start - withinMs && at <= start);
    return start - ((decided ?? start) + warmMs);
  });
  const warmedBefore = leads.filter((lead) => lead >= 0).length;
  return {
    episodes: starts.length,
    warmedBefore,
    decisions: early.length,
    late: within.length - early.length,
    falseAlarms: alarms.length,
    wastedWarms: episodes(alarms, withinMs).length,
    precision: early.length === 0 ? undefined : (early.length - alarms.length) / early.length,
    recall: starts.length === 0 ? undefined : warmedBefore / starts.length,
    leadP50Ms: quantile(leads, 0.5),
    leadP10Ms: quantile(leads, 0.1),
  };
}

/** The first of each run of times that follow one another within `apartMs`. */
export function episodes(times: readonly number[], apartMs: number): number[] {
  return times.filter((at, i) => at - (times[i - 1] ?? -Infinity) > apartMs);
}

/** The first time after `at`; infinite when there is none. */
function firstAfter(times: readonly number[], at: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? Infinity) > at) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return times[low] ?? Infinity;
}
