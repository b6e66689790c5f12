/** Values of one figure, one for each run. */
export interface Figure {
  /** Such as `admission.handler.p99`. */
  figure: string;
  /** Under what conditions, such as `300/s`; empty where there is one only. */
  at: string;
  unit: string;
  values: readonly number[];
}

/** Prints a figure as one line of JSON on stdout: the median, the extremes and the number of runs. */
export function printFigure({ figure, at, unit, values }: Figure): void {
  const line = {
    figure,
    at,
    value: round(quantile(values, 0.5)),
    unit,
    runs: values.length,
    min: round(Math.min(...values)),
    max: round(Math.max(...values)),
    baseline: null,
    ratio: null,
  };
  console.log(JSON.stringify(line));
}

/** The smallest value that at least the share `q` of the values does not exceed (nearest rank). */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** Three significant digits tell all that a measurement can. */
function round(value: number): number {
  return Number(value.toPrecision(3));
}
