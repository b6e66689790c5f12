import { z } from 'zod';
import { ask, PrometheusError } from './client.ts';
import type { Prometheus } from './client.ts';

/** A pass over a policy must not wait long for one of its triggers, and one number is short. */
const LIMITS = { timeoutMs: 5000, maxBytes: 64 * 1024 };

const Sample = z.tuple([z.number(), z.string()]);
const Vector = z.array(z.object({ value: Sample }));

/**
 * Asks for one number, now: a scalar, or a vector of one series.
 * @throws PrometheusError also for several series, a matrix or a string, and, as `Empty`, for nothing and for NaN
 */
export async function queryNumber(prometheus: Prometheus, query: string, signal: AbortSignal): Promise<number> {
  const { resultType, result } = await ask(prometheus, 'query', { query }, LIMITS, signal);
  const value = Number(textOf(resultType, result));
  if (!Number.isFinite(value)) {
    throw new PrometheusError('Empty', `the query gives ${value}, which is no number of replicas`);
  }
  return value;
}

function textOf(resultType: string, result: unknown): string {
  const scalar = Sample.safeParse(result);
  if (resultType === 'scalar' && scalar.success) {
    return scalar.data[1];
  }
  const vector = Vector.safeParse(result);
  if (resultType !== 'vector' || !vector.success) {
    throw new PrometheusError(
      'Unusable',
      `the query gives a ${resultType}, and one number is needed: a scalar, or a vector of one series`,
    );
  }
  const [first, ...more] = vector.data;
  if (more.length > 0) {
    throw new PrometheusError(
      'Unusable',
      `the query gives ${vector.data.length} series, and one number is needed: add them up by sum(…)`,
    );
  }
  if (first === undefined) {
    throw new PrometheusError('Empty', 'the query gives nothing: look at it in Prometheus');
  }
  return first.value[1];
}
