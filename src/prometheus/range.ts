import { z } from 'zod';
import { ask, PrometheusError } from './client.ts';
import type { Prometheus } from './client.ts';

/** A query over a range of time. Times in milliseconds. */
export interface RangeQuery {
  readonly query: string;
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
}

/** A value at a time, in milliseconds since the epoch. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

const LIMITS = { timeoutMs: 30_000, maxBytes: 8 * 1024 * 1024 };
/** Prometheus gives 11,000 points at most in one answer. */
const MAX_POINTS = 10_000;

const Matrix = z.array(z.object({ values: z.array(z.tuple([z.number(), z.string()])) }));

/**
 * Reads one series over a range of time, in pieces that Prometheus accepts.
 * @throws PrometheusError also when the query gives several series, or fewer than two points
 */
export async function queryRange(prometheus: Prometheus, range: RangeQuery, signal: AbortSignal): Promise<Point[]> {
  const { query, from, to, stepMs } = range;
  const points: Point[] = [];
  for (let start = from; start <= to; start += stepMs * MAX_POINTS) {
    const end = Math.min(to, start + stepMs * (MAX_POINTS - 1));
    const parameters = { query, start: String(start / 1000), end: String(end / 1000), step: String(stepMs / 1000) };
    const { result } = await ask(prometheus, 'query_range', parameters, LIMITS, signal);
    points.push(...seriesOf(result));
  }
  if (points.length < 2) {
    throw new PrometheusError(
      'Empty',
      `the query gives fewer than two points: look at ${query} and at the range of time in Prometheus`,
    );
  }
  return points;
}

function seriesOf(result: unknown): Point[] {
  const matrix = Matrix.safeParse(result);
  if (!matrix.success) {
    throw new PrometheusError('Unusable', 'Prometheus answered points that are not [time, "value"]');
  }
  if (matrix.data.length > 1) {
    throw new PrometheusError(
      'Unusable',
      `the query gives ${matrix.data.length} series, and a load is one: add them up by sum(…)`,
    );
  }
  return (matrix.data[0]?.values ?? []).flatMap(([time, text]) => {
    // Prometheus writes NaN and ±Inf: no measurements.
    const value = Number(text);
    return Number.isFinite(value) ? [{ at: Math.round(time * 1000), value }] : [];
  });
}
