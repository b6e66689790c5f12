import { Agent, request } from 'undici';
import { z } from 'zod';

/** A Prometheus, or what speaks its HTTP API. */
export interface Prometheus {
  /** Base URL, such as `http://prometheus.monitoring:9090`. */
  readonly url: string;
  /** Bearer token to show, if any. */
  readonly token?: (() => Promise<string>) | undefined;
  /** PEM bundle that signs its certificate, where the system's does not. */
  readonly ca?: string | undefined;
}

/** Bounds of one answer. */
export interface Limits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/**
 * No usable answer.
 * - `Unreachable`: none came, or the server has a problem of its own; to be asked again.
 * - `Rejected`: the query, the token or the address is not right.
 * - `Unusable`: there was an answer, which is not what was asked for.
 * - `Empty`: the query gave nothing, or no number, at this time.
 */
export class PrometheusError extends Error {
  override name = 'PrometheusError';
  readonly kind: 'Unreachable' | 'Rejected' | 'Unusable' | 'Empty';

  constructor(kind: PrometheusError['kind'], message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

const Answer = z.object({ data: z.object({ resultType: z.string(), result: z.unknown() }) });
const Failure = z.object({ error: z.string().min(1) });

/** What a query gives (https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats). */
export type QueryResult = z.infer<typeof Answer>['data'];

/**
 * Asks Prometheus, never following a redirect: a token must not travel to another host.
 * @throws PrometheusError
 */
export async function ask(
  prometheus: Prometheus,
  path: 'query' | 'query_range',
  parameters: Readonly<Record<string, string>>,
  { timeoutMs, maxBytes }: Limits,
  signal: AbortSignal,
): Promise<QueryResult> {
  const address = addressOf(prometheus.url, path);
  const token = await prometheus.token?.();
  const dispatcher = prometheus.ca === undefined ? undefined : new Agent({ connect: { ca: prometheus.ca } });
  try {
    const { statusCode, body } = await request(address, {
      method: 'POST',
      body: new URLSearchParams(parameters).toString(),
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    return read(statusCode, await textOf(body, maxBytes, address.host), address.host);
  } catch (error) {
    if (signal.aborted || error instanceof PrometheusError) {
      throw error;
    }
    const said = error instanceof Error ? error.message : String(error);
    throw new PrometheusError('Unreachable', `${address.host} could not be asked: ${said}`, error);
  } finally {
    await dispatcher?.close();
  }
}

function addressOf(url: string, path: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base === undefined || !/^https?:$/.test(base.protocol)) {
    throw new PrometheusError(
      'Rejected',
      `${JSON.stringify(url)} is no address of Prometheus: give one such as http://prometheus:9090`,
    );
  }
  return new URL(`${base.pathname.replace(/\/$/, '')}/api/v1/${path}`, base);
}

function read(status: number, text: string, host: string): QueryResult {
  const body = parseJson(text);
  if (status !== 200) {
    const said = Failure.safeParse(body).data?.error ?? text.slice(0, 200);
    const kind = status >= 500 && status !== 501 ? 'Unreachable' : 'Rejected';
    throw new PrometheusError(kind, `${host} answered ${status} to the query: ${said}`);
  }
  const answer = Answer.safeParse(body);
  if (!answer.success) {
    throw new PrometheusError(
      'Unusable',
      `${host} answered something else than a query's result; is this the address of Prometheus' API?`,
    );
  }
  return answer.data.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function textOf(body: AsyncIterable<Uint8Array>, maxBytes: number, host: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      const limit = `${Math.round(maxBytes / 1024)} KiB`;
      throw new PrometheusError('Unusable', `${host} answered more than ${limit}: ask for one series, by sum(…)`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
