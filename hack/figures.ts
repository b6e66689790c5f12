/** One measured figure: what the demo writes to demo.json, and what a benchmark prints as one line of JSON. */
export interface Figure {
  /** Such as `admission.handler.p99`. */
  figure: string;
  /** Under which condition, such as a rate or a size; null where there is only one. */
  at: string | null;
  /** Median of the runs. */
  value: number;
  unit: string;
  runs: number;
  min: number;
  max: number;
  /** The median that the ratio is against, measured in the same run. */
  baseline: number | null;
  ratio: number | null;
}

/** A figure from the values of its runs. Throws when there are none. */
export function figure(name: string, unit: string, values: readonly number[], at: string | null = null): Figure {
  return {
    figure: name,
    at,
    value: round(median(values)),
    unit,
    runs: values.length,
    min: round(Math.min(...values)),
    max: round(Math.max(...values)),
    baseline: null,
    ratio: null,
  };
}

/** How many times `baseline` is of `values`, pair by pair as they were measured in turns. */
export function ratioFigure(name: string, baseline: readonly number[], values: readonly number[]): Figure {
  const ratios = values.map((value, index) => (baseline[index] ?? Number.NaN) / value);
  return { ...figure(name, '×', ratios), baseline: round(median(baseline)), ratio: round(median(ratios)) };
}

/** A figure beside the same one of a baseline, measured in turns; the ratio is the median of the pairs'. */
export function figureAgainst(
  name: string,
  unit: string,
  values: readonly number[],
  baseline: readonly number[],
  at: string | null = null,
): Figure {
  const ratios = values.map((value, index) => value / (baseline[index] ?? Number.NaN));
  return { ...figure(name, unit, values, at), baseline: round(median(baseline)), ratio: round(median(ratios)) };
}

/** How many times the baseline the values are, pair by pair as they were measured in turns. */
export function relativeFigure(
  name: string,
  values: readonly number[],
  baseline: readonly number[],
  at: string | null = null,
): Figure {
  const ratios = values.map((value, index) => value / (baseline[index] ?? Number.NaN));
  return { ...figure(name, '×', ratios, at), baseline: round(median(baseline)), ratio: round(median(ratios)) };
}

/** The middle of the values; of an even number, the mean of the middle two. Throws when there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) {
    throw new RangeError('a median needs at least one value');
  }
  return (upper + lower) / 2;
}

/** The smallest value that at least the share `q` of the values does not exceed (nearest rank); NaN when there are none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** Four significant digits tell all that a measurement can. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
