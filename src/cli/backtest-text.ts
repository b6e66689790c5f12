import type { Backtest, BacktestOptions } from '../backtest/backtest.ts';
import type { Verdict } from '../backtest/judge.ts';
import { sparkline } from '../backtest/plot.ts';
import { WANTED_PRECISION } from '../backtest/tune.ts';

/** Figures of one way to decide. Shares are from 0 to 1, leads in seconds; null where there is nothing to count. */
export interface Figures {
  readonly episodes: number;
  readonly warmedBefore: number;
  readonly recall: number | null;
  readonly decisions: number;
  readonly late: number;
  readonly falseAlarms: number;
  readonly wastedWarms: number;
  readonly precision: number | null;
  readonly leadP50: number | null;
  readonly leadP10: number | null;
}

/** A window of walking forward: what was chosen before it, and how that did in it. */
export interface FoldReport {
  readonly from: string;
  readonly to: string;
  readonly threshold: number;
  /** Seconds. */
  readonly horizon: number;
  readonly figures: Figures;
}

/** What `-o json` writes. Times are RFC 3339. */
export interface BacktestReport {
  readonly judged: { readonly from: string; readonly to: string };
  readonly slipstream: Figures;
  readonly atEvent: Figures;
  readonly cron: Figures;
  /** Times of day of the cron baseline, `hh:mm:ss` UTC. */
  readonly cronTimes: readonly string[];
  /** Seconds. */
  readonly criteria: { readonly warmTime: number; readonly within: number; readonly cooldown: number };
  /** Empty without `--tune`. */
  readonly folds: readonly FoldReport[];
}

const DAY_MS = 86_400_000;
const SPARK_WIDTH = 72;

/** A backtest in figures. */
export function reportOfBacktest(result: Backtest, { warmMs, withinMs, policy }: BacktestOptions): BacktestReport {
  return {
    judged: { from: rfc3339(result.from), to: rfc3339(result.to) },
    slipstream: figuresOf(result.slipstream),
    atEvent: figuresOf(result.atEvent),
    cron: figuresOf(result.cron),
    cronTimes: result.cronTimes.map((time) =>
      rfc3339(((time % DAY_MS) + DAY_MS) % DAY_MS).slice('1970-01-01T'.length, -1),
    ),
    criteria: { warmTime: warmMs / 1000, within: withinMs / 1000, cooldown: policy.cooldownMs / 1000 },
    folds: result.folds.map(({ from, to, threshold, horizonMs, verdict }) => ({
      from: rfc3339(from),
      to: rfc3339(to),
      threshold,
      horizon: horizonMs / 1000,
      figures: figuresOf(verdict),
    })),
  };
}

/** Writes a report for a terminal. */
export function renderBacktest(report: BacktestReport, { course, from, to }: Backtest): string {
  const { slipstream, atEvent, cron, criteria, folds } = report;
  const shown = course.filter(({ at }) => at >= from && at < to);
  return [
    `judged from ${report.judged.from} to ${report.judged.to}: ${slipstream.episodes} scale-outs (those within ${criteria.cooldown} s are one)`,
    `  load      ${spark(shown.map(({ demand }) => demand))}`,
    `  replicas  ${spark(shown.map(({ replicas }) => replicas))}`,
    '',
    row(['', 'warmed before', 'recall', 'precision', 'false alarms', 'wasted warms', 'lead p50', 'lead p10']),
    figureRow('slipstream', slipstream),
    figureRow('at event', atEvent),
    figureRow(`cron (${report.cronTimes.length} a day)`, cron),
    '',
    `A scale-out was warmed before if a decision of the ${criteria.within} s before it was ${criteria.warmTime} s older than its first new Pod.`,
    `A decision is a false alarm if no scale-out follows it within ${criteria.within} s.`,
    ...(folds.length === 0 ? [] : ['', ...foldRows(folds)]),
    '',
  ].join('\n');
}

function foldRows(folds: readonly FoldReport[]): string[] {
  const last = folds.at(-1);
  return [
    `walking forward: chosen on the window before, judged on this one (best recall with a precision of ${WANTED_PRECISION} or more)`,
    row(['from', 'threshold', 'horizon', 'recall', 'precision']),
    ...folds.map(({ from, threshold, horizon, figures }) =>
      row([from.slice(0, 16), String(threshold), `${horizon}s`, share(figures.recall), share(figures.precision)]),
    ),
    ...(last === undefined
      ? []
      : [`proposed: triggers: {autoscaler: {threshold: "${last.threshold}", horizon: ${last.horizon}s}}`]),
  ];
}

function figureRow(name: string, figures: Figures): string {
  const { warmedBefore, episodes, recall, precision, falseAlarms, decisions, wastedWarms, leadP50, leadP10 } = figures;
  return row([
    name,
    `${warmedBefore} of ${episodes}`,
    share(recall),
    share(precision),
    `${falseAlarms} of ${decisions}`,
    String(wastedWarms),
    seconds(leadP50),
    seconds(leadP10),
  ]);
}

function row([name = '', ...cells]: readonly string[]): string {
  return `  ${name.padEnd(20)}${cells.map((cell) => cell.padEnd(15)).join('')}`.trimEnd();
}

function spark(values: readonly number[]): string {
  return `${sparkline(values, SPARK_WIDTH)} ${Math.round(values.reduce((most, value) => Math.max(most, value), 0))}`;
}

function share(value: number | null): string {
  return value === null ? '-' : value.toFixed(2);
}

function seconds(value: number | null): string {
  return value === null ? '-' : `${value}s`;
}

function figuresOf(verdict: Verdict): Figures {
  const { recall, precision, leadP50Ms, leadP10Ms, ...counts } = verdict;
  const rounded = (value: number | undefined): number | null => (value === undefined ? null : Number(value.toFixed(4)));
  const inSeconds = (ms: number | undefined): number | null => (ms === undefined ? null : ms / 1000);
  return {
    ...counts,
    recall: rounded(recall),
    precision: rounded(precision),
    leadP50: inSeconds(leadP50Ms),
    leadP10: inSeconds(leadP10Ms),
  };
}

function rfc3339(at: number): string {
  return `${new Date(Math.floor(at / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}
