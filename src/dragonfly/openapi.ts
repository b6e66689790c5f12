import { Agent } from 'undici';
import { z } from 'zod';
import type { Clock } from './clock.ts';
import { HttpError, exchange, retryAfterMs } from './http.ts';
import type { HttpAnswer } from './http.ts';
import { ProviderError } from './provider.ts';
import { Failure, Job } from './schema.ts';

const TIMEOUT_MS = 30_000;
/** Bytes of an answer: a job echoes its arguments and lists every layer for every seed. */
const ANSWER_LIMIT = 4 * 1024 * 1024;
/** Characters of a manager's own message that go into an error. */
const MESSAGE_LIMIT = 300;

export interface OpenApiOptions {
  /** Base URL of the manager, such as `http://dragonfly-manager:8080`. */
  url: string;
  /** A personal access token with the scope `job`; asked for at every call, so that it may change. */
  token: () => Promise<string>;
  clock: Clock;
}

/** Arguments of a preheat job, in the API's own names. */
export interface PreheatRequest {
  type: 'preheat';
  scheduler_cluster_ids?: readonly number[];
  args: {
    type: 'image';
    /** URL of a manifest by digest. */
    url: string;
    platform: string;
    scope: string;
    /** With the scopes of several: how many of them; all when left out. */
    count?: number;
    /** Blobs that are brought at once. */
    concurrent_task_count: number;
    /** Go's time.Duration: nanoseconds. */
    timeout: number;
    headers?: Record<string, string>;
    enable_task_id_based_blob_digest: boolean;
  };
}

/** The manager asked to be left alone for a while. */
export class RateLimitedError extends ProviderError {
  constructor(retryAfter: number | undefined) {
    super('Failed', 'the Dragonfly manager limits its requests', { retryAfter });
  }
}

/** The manager has no such job (any more). */
export class JobNotFoundError extends ProviderError {
  constructor(id: number) {
    super('Failed', `the Dragonfly manager has no job ${id}`);
  }
}

/**
 * The part of the manager's Open API that is used. Every method throws ProviderError (`Unreachable` without an answer,
 * `Rejected` for 401 and 403), or the signal's reason.
 */
export interface OpenApi {
  /** @throws RateLimitedError too */
  createPreheat(request: PreheatRequest, signal: AbortSignal): Promise<Job>;
  /** @throws JobNotFoundError too */
  job(id: number, signal: AbortSignal): Promise<Job>;
  /** Proves that there is a manager and that it takes the token. */
  checkAccess(signal: AbortSignal): Promise<void>;
}

/** Makes a client of the manager's Open API. */
export function createOpenApi({ url, token, clock }: OpenApiOptions): OpenApi {
  const dispatcher = new Agent({ connect: { timeout: 5000 } });
  const jobs = new URL('oapi/v1/jobs', url.endsWith('/') ? url : `${url}/`);

  async function call<T>(
    method: 'GET' | 'POST',
    target: URL,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    body?: PreheatRequest,
  ): Promise<T> {
    const secret = await token();
    const headers = {
      authorization: `Bearer ${secret}`,
      accept: 'application/json',
      'content-type': 'application/json',
    };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    let answer: HttpAnswer;
    try {
      answer = await exchange(
        { method, url: target, headers, ...sent },
        { dispatcher, clock, signal, timeoutMs: TIMEOUT_MS, limit: ANSWER_LIMIT },
      );
    } catch (error) {
      if (!(error instanceof HttpError)) {
        throw error;
      }
      throw new ProviderError('Unreachable', unreachable(jobs, error), { cause: error });
    }
    if (answer.status !== 200) {
      const failure = failureOf(answer, [secret, body?.args.headers?.['Authorization'] ?? ''], clock.now());
      throw body === undefined ? failure : explainDialer(failure, new URL(body.args.url));
    }
    const parsed = schema.safeParse(parseJson(answer.body));
    if (!parsed.success) {
      const where = parsed.error.issues.map((issue) => issue.path.join('.') || 'all of it').join(', ');
      throw new ProviderError('Failed', `the Dragonfly manager's answer is not understood: ${where}`);
    }
    return parsed.data;
  }

  return {
    createPreheat: (request, signal) => call('POST', jobs, Job, signal, request),
    async job(id, signal) {
      try {
        return await call('GET', new URL(`${jobs.pathname}/${id}`, jobs), Job, signal);
      } catch (error) {
        throw error instanceof NotFoundError ? new JobNotFoundError(id) : error;
      }
    },
    async checkAccess(signal) {
      await call('GET', new URL('?page=1&per_page=1', jobs), z.array(z.unknown()), signal);
    },
  };
}

/** Managers (v2.5) answer 401 for a token that they do not know, and 403 for one that they know and do not take. */
const TOKEN_REMEDIES = {
  401: 'it does not know the token: put a personal access token with the scope job under the key token of the Secret',
  403: 'its token needs the scope job, and must be neither expired nor deactivated',
} as const;

class NotFoundError extends ProviderError {}

function unreachable({ origin }: URL, { message, connected }: HttpError): string {
  const remedy =
    "; see the url of the provider. From version 1.7.5 on, Dragonfly's chart installs no manager unless told to: " +
    'without one, use the provider type seedPeers';
  return `the Dragonfly manager at ${origin}: ${message}${connected ? '' : remedy}`;
}

/** A manager connects to no registry at a loopback or link-local address (pkg/net/http NewSafeDialer), and says so obscurely. */
function explainDialer(error: ProviderError, { host }: URL): ProviderError {
  return /\b(ip|host) \S+ is invalid/.test(error.message)
    ? new ProviderError(
        'Rejected',
        `${error.message}: Dragonfly's manager connects to no registry at a loopback or link-local address, as ${host} is ` +
          'to it; give the registry another address, or use the provider type seedPeers',
        { cause: error },
      )
    : error;
}

function failureOf(answer: HttpAnswer, secrets: readonly string[], now: Date): ProviderError {
  const { status } = answer;
  if (status === 429) {
    return new RateLimitedError(retryAfterMs(answer, now));
  }
  const message = `the Dragonfly manager answered ${status}${reasonIn(answer, secrets)}`;
  if (status === 401 || status === 403) {
    return new ProviderError('Rejected', `${message}; ${TOKEN_REMEDIES[status]}`);
  }
  return status === 404 ? new NotFoundError('Failed', message) : new ProviderError('Failed', message);
}

/** What the manager says about it, without what must not be shown. */
function reasonIn(answer: HttpAnswer, secrets: readonly string[]): string {
  const failure = Failure.safeParse(parseJson(answer.body));
  let text = failure.success ? (failure.data.message ?? failure.data.errors ?? '') : '';
  for (const secret of secrets) {
    text = secret === '' ? text : text.replaceAll(secret, '…');
  }
  return text === '' ? '' : `: ${text.replace(/\s+/g, ' ').slice(0, MESSAGE_LIMIT)}`;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
