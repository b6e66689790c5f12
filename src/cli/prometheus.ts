import type { Measurement } from '../backtest/load.ts';
import { fieldsOf, itemsOf, textOf } from '../rewriting/json.ts';

/** A query over a range of time. Times in milliseconds. */
export interface RangeQuery {
  /** Base URL of Prometheus, or of what speaks its HTTP API. */
  readonly url: string;
  readonly query: string;
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
}

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Prometheus gives 11,000 points at most in one answer. */
const MAX_POINTS = 10_000;

/**
 * Reads one series by Prometheus' HTTP API (`/api/v1/query_range`), in pieces that it accepts.
 * @throws Error saying what the server answered, that the query gives no or several series, and what to do
 */
export async function queryRange(
  { url, query, from, to, stepMs }: RangeQuery,
  signal: AbortSignal,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (let start = from; start <= to; start += stepMs * MAX_POINTS) {
    const end = Math.min(to, start + stepMs * (MAX_POINTS - 1));
    const address = addressOf(url);
    for (const [name, value] of Object.entries({ query, start: start / 1000, end: end / 1000, step: stepMs / 1000 })) {
      address.searchParams.set(name, String(value));
    }
    measurements.push(...seriesOf(await read(address, signal), address.host));
  }
  if (measurements.length < 2) {
    throw new Error(`the query gives fewer than two points: look at ${query} and at --start and --end in Prometheus`);
  }
  return measurements;
}

function addressOf(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base === undefined || !/^https?:$/.test(base.protocol)) {
    throw new Error(`--prometheus ${JSON.stringify(url)} is not a URL; give it one such as http://prometheus:9090`);
  }
  return new URL(`${base.pathname.replace(/\/$/, '')}/api/v1/query_range`, base);
}

async function read(address: URL, signal: AbortSignal): Promise<unknown> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  let text: string;
  let status: number;
  try {
    const response = await fetch(address, {
      signal: limit,
      redirect: 'error',
      headers: { accept: 'application/json' },
    });
    status = response.status;
    text = await bounded(response, address.host);
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Error(`${address.host} could not be asked: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause: error,
    });
  }
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (status !== 200) {
    const said = textOf(fieldsOf(body)['error']) ?? text.slice(0, 200);
    throw new Error(`${address.host} answered ${status} to the query: ${said}`);
  }
  if (body === undefined) {
    throw new Error(`${address.host} answered something else than JSON; is --prometheus the address of its API?`);
  }
  return body;
}

async function bounded(response: Response, host: string): Promise<string> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = '';
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) {
      throw new Error(`${host} answered more than ${MAX_BYTES / 1024 / 1024} MiB: ask for one series, by sum(…)`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

function seriesOf(body: unknown, host: string): Measurement[] {
  const result = itemsOf(fieldsOf(fieldsOf(body)['data'])['result']);
  if (result.length > 1) {
    throw new Error(`the query gives ${result.length} series, and a load is one: add them up by sum(…)`);
  }
  return itemsOf(fieldsOf(result[0])['values']).flatMap((item) => {
    const [time, value] = itemsOf(item);
    if (typeof time !== 'number' || typeof value !== 'string') {
      throw new TypeError(`${host} answered a point that is not [time, "value"]`);
    }
    // Prometheus writes NaN and ±Inf: no measurements.
    const number = Number(value);
    return Number.isFinite(number) ? [{ at: Math.round(time * 1000), value: number }] : [];
  });
}
