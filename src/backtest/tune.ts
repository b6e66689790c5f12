import { judge } from './judge.ts';
import type { Criteria, Verdict } from './judge.ts';

/** Settings that are tried. */
export interface Candidate {
  readonly threshold: number;
  readonly horizonMs: number;
}

/** Thresholds and horizons that are tried. */
export const GRID: readonly Candidate[] = [0.7, 0.85, 1].flatMap((threshold) =>
  [30_000, 60_000, 120_000].map((horizonMs) => ({ threshold, horizonMs })),
);

/** The precision that is asked for before recall counts. */
export const WANTED_PRECISION = 0.8;

/** One step of walking forward: settings chosen on a window, judged on the next. */
export interface Fold extends Candidate {
  /** The window that was judged. */
  readonly from: number;
  readonly to: number;
  readonly verdict: Verdict;
}

/**
 * Walks forward through the load in windows of one length: on each the settings are chosen, on the next they are judged, so
 * that nothing ever looks ahead. Chosen is what has the best recall of those that are precise enough, and the most precise
 * when none is.
 * @param decisions of each candidate of the grid, over the whole load
 */
export function foldsOf(
  decisions: readonly (readonly number[])[],
  scaleOuts: readonly number[],
  whole: Criteria,
  windows: number,
): Fold[] {
  const length = (whole.to - whole.from) / Math.max(1, windows);
  const criteria = (window: number): Criteria => ({
    ...whole,
    from: whole.from + window * length,
    to: whole.from + (window + 1) * length,
  });
  return Array.from({ length: Math.max(0, windows - 1) }, (_, window) => {
    const verdicts = decisions.map((each) => judge(each, scaleOuts, criteria(window)));
    const best = bestOf(verdicts);
    const { from, to } = criteria(window + 1);
    const { threshold, horizonMs } = GRID[best] ?? { threshold: 1, horizonMs: 0 };
    const verdict = judge(decisions[best] ?? [], scaleOuts, criteria(window + 1));
    return { threshold, horizonMs, from, to, verdict };
  });
}

function bestOf(verdicts: readonly Verdict[]): number {
  const score = ({ precision = 0, recall = 0 }: Verdict): number =>
    precision >= WANTED_PRECISION ? 1 + recall : precision;
  return verdicts.reduce((best, verdict, i) => {
    const leader = verdicts[best];
    return leader !== undefined && score(verdict) > score(leader) ? i : best;
  }, 0);
}
