/** A value at a moment, in milliseconds. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

/** Fewer points than this are an accident, not a trend. */
const MIN_POINTS = 3;

/**
 * The slope of the Theil–Sen line through `points`, per millisecond: the median of the slopes of all pairs, which a few
 * outliers (under 29 % of the points) cannot move. Undefined below three points. O(n²): for short windows.
 */
export function theilSenSlope(points: readonly Point[]): number | undefined {
  if (points.length < MIN_POINTS) {
    return undefined;
  }
  const slopes = points.flatMap((a, i) =>
    points.slice(i + 1).flatMap((b) => (b.at === a.at ? [] : [(b.value - a.value) / (b.at - a.at)])),
  );
  return median(slopes);
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted.length % 2 === 0 ? sorted[middle - 1] : upper;
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}
