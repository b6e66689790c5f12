import { cronDecisions, fitCron } from './cron.ts';
import { judge } from './judge.ts';
import type { Criteria, Verdict } from './judge.ts';
import type { Load } from './load.ts';
import { replay } from './replay.ts';
import type { PolicySettings } from './replay.ts';
import { simulate } from './simulate.ts';
import type { Workload } from './simulate.ts';
import { foldsOf, GRID } from './tune.ts';
import type { Fold } from './tune.ts';

/** What a backtest is about; times in milliseconds. */
export interface BacktestOptions {
  readonly workload: Workload;
  readonly policy: PolicySettings;
  /** From a decision to the end of its warm. */
  readonly warmMs: number;
  /** How long after a decision a scale-out counts as the one that it foresaw. */
  readonly withinMs: number;
  /** Share of the load, from its start, that only the cron baseline may see; the rest is judged. */
  readonly trainingShare: number;
  /** Into how many windows the load is cut to propose settings; 0: none are proposed. */
  readonly folds: number;
}

/** What was foreseen and what was not. Times are in milliseconds since the epoch. */
export interface Backtest {
  readonly from: number;
  readonly to: number;
  readonly slipstream: Verdict;
  /** Warming when the autoscaler's event comes. */
  readonly atEvent: Verdict;
  /** Warming at the times of day of the training part's scale-outs. */
  readonly cron: Verdict;
  /** Entries of that schedule, as milliseconds into the day (UTC). */
  readonly cronTimes: readonly number[];
  readonly scaleOuts: readonly number[];
  readonly decisions: readonly number[];
  /** Replicas and what the load would need, every so often, for a plot. */
  readonly course: readonly CoursePoint[];
  readonly folds: readonly Fold[];
}

/** A moment of the course. */
export interface CoursePoint {
  readonly at: number;
  readonly replicas: number;
  /** Load divided by the target of one Pod. */
  readonly demand: number;
}

/** Replays a load, and judges the decisions of a PrefetchPolicy beside two baselines on the part that nothing was fitted on. */
export function backtest(load: Load, options: BacktestOptions): Backtest {
  const { workload, policy, warmMs, withinMs, trainingShare } = options;
  const course: CoursePoint[] = [];
  const target = workload.targetPerPod;
  function* watched(): ReturnType<typeof simulate> {
    for (const round of simulate(load, workload)) {
      const { at, load: taken, hpa } = round;
      course.push({ at, replicas: hpa.status?.currentReplicas ?? 0, demand: taken / target });
      yield round;
    }
  }
  const grid = options.folds === 0 ? [] : GRID.map((settings) => ({ ...policy, ...settings }));
  const { scaleOuts, decisions } = replay(watched(), [policy, ...grid]);
  const begin = course[0]?.at ?? load.startMs;
  const to = (course.at(-1)?.at ?? begin) + 1;
  const from = begin + Math.round((to - begin) * trainingShare);
  const criteria = (first: number, end: number): Criteria => ({
    warmMs,
    withinMs,
    cooldownMs: policy.cooldownMs,
    from: first,
    to: end,
  });
  const judged = criteria(from, to);
  const cron = fitCron(scaleOuts, criteria(begin, from));
  const [own = [], ...tried] = decisions;
  return {
    from,
    to,
    slipstream: judge(own, scaleOuts, judged),
    atEvent: judge(scaleOuts, scaleOuts, judged),
    cron: judge(cronDecisions(cron, judged), scaleOuts, judged),
    cronTimes: cron.times,
    scaleOuts,
    decisions: own,
    course,
    folds: foldsOf(tried, scaleOuts, criteria(begin, to), options.folds),
  };
}
