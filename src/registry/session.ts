import type { BlockList } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import pRetry from 'p-retry';
import type { Credentials } from './auth.ts';
import { Authenticator } from './authenticator.ts';
import type { Access } from './authenticator.ts';
import { isTransient } from './errors.ts';
import { failureOf, readBody } from './failure.ts';
import { apiHost } from './reference.ts';
import { TokenSource } from './token.ts';
import { Transport } from './transport.ts';
import type { HttpRequest, HttpResponse, RegistryOptions, Timeouts } from './transport.ts';

/** Attempts after the first one, for what may be repeated. */
const RETRIES = 2;
const RETRY_MAX_MS = 2_000;
const PAUSE_MAX_MS = 10_000;
const DOCUMENT_LIMIT = 64 * 1024;

/** Who calls, and until when. */
export interface CallOptions {
  /** Anonymous when absent. */
  credentials?: Credentials | undefined;
  signal?: AbortSignal | undefined;
}

/** One request to a registry's API. */
export interface ApiRequest extends Pick<HttpRequest, 'method' | 'url' | 'subject' | 'headers' | 'body' | 'extraTime'> {
  registry: string;
  /** What a token must allow, such as `repository:library/nginx:pull`. */
  scopes: readonly string[];
  /** Statuses that are no failure. */
  expect: readonly number[];
  /** Whether it may be sent again after it failed half-way: it changes nothing, or the same twice. */
  idempotent: boolean;
}

/** An answer with its whole body. */
export interface Answer extends Omit<HttpResponse, 'body'> {
  body: Buffer;
}

export interface SessionOptions {
  /** By host, as in references. */
  registries: Readonly<Record<string, RegistryOptions>>;
  /** Addresses that registries which are not among these must not lead to; none when undefined. */
  internal?: BlockList | undefined;
  userAgent: string;
  timeouts: Timeouts;
  /** Milliseconds before the first retry; doubled, and spread at random, for the next. */
  retryDelay: number;
  log: Logger | undefined;
}

/** Sends requests to registries' APIs: authorized, tried again where that is safe, and judged by their status. */
export class Session {
  readonly log: Logger | undefined;
  readonly #options: SessionOptions;
  readonly #transport: Transport;
  readonly #authenticator: Authenticator;

  constructor(options: SessionOptions) {
    this.log = options.log;
    this.#options = options;
    this.#transport = new Transport(options.userAgent, options.timeouts);
    this.#authenticator = new Authenticator(new TokenSource(this.#transport));
  }

  /** The URL of a path below a registry's `/v2/`. */
  url(registry: string, path: string): URL {
    const scheme = this.#optionsOf(registry).plainHTTP === true ? 'http' : 'https';
    return new URL(`${scheme}://${apiHost(registry)}/v2/${path}`);
  }

  /**
   * Sends a request and reads the answer's body, at most `limit` bytes.
   * @throws RegistryError; `signal.reason` once aborted.
   */
  async send(request: ApiRequest, call: CallOptions, limit: number = DOCUMENT_LIMIT): Promise<Answer> {
    return await this.retrying(request.subject, request.idempotent, call, async (signal) => {
      const response = await this.#attempt(request, { ...call, signal }, false);
      return { ...response, body: await readBody(response, limit) };
    });
  }

  /** As {@link send}, with the body as it comes. A body that breaks off is not tried again. */
  async stream(request: ApiRequest, call: CallOptions): Promise<HttpResponse> {
    return await this.retrying(request.subject, request.idempotent, call, (signal) =>
      this.#attempt(request, { ...call, signal }, true),
    );
  }

  /**
   * Runs something a few times until it is not Unreachable any more. A registry that said when to come back is left alone,
   * and so is one that counts requests (429).
   */
  async retrying<T>(
    subject: string,
    idempotent: boolean,
    { signal = new AbortController().signal }: CallOptions,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    return await pRetry(() => run(signal), {
      retries: idempotent ? RETRIES : 0,
      minTimeout: this.#options.retryDelay,
      maxTimeout: RETRY_MAX_MS,
      randomize: true,
      signal,
      shouldRetry: ({ error, attemptNumber }) => {
        const again = isTransient(error);
        if (again) {
          this.log?.debug({ subject, attempt: attemptNumber, err: error }, 'trying a registry again');
        }
        return again;
      },
    });
  }

  /**
   * Waits before something is gone on with: twice as long each time.
   * @param earlier how often it was waited for before.
   */
  async pause(earlier: number, { signal }: CallOptions): Promise<void> {
    const wait = Math.min(this.#options.retryDelay * 2 ** earlier, PAUSE_MAX_MS);
    await delay(wait, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
  }

  /** The Authorization that a registry currently takes, or undefined where it takes requests without. */
  async authorization(access: Omit<Access, 'options'>): Promise<string | undefined> {
    const options = this.#optionsOf(access.registry);
    return await this.#authenticator.authorize({ ...access, options }, new AbortController().signal);
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #attempt(
    request: ApiRequest,
    { credentials, signal }: CallOptions & { signal: AbortSignal },
    streamed: boolean,
  ): Promise<HttpResponse> {
    const { registry, scopes, expect, idempotent: _, ...rest } = request;
    const { url } = rest;
    const options = this.#optionsOf(registry);
    const access = { registry, scopes, credentials, options };
    const http: HttpRequest = { ...rest, streamed, signal };
    // An upload may go on at another host, which is owed nothing.
    const trusted = url.origin === this.url(registry, '').origin;
    const authorization = trusted ? await this.#authenticator.authorize(access, signal) : undefined;
    let response = await this.#transport.send({ ...http, authorization }, options);
    if (response.status === 401 && trusted && response.url.origin === url.origin) {
      const refusal = await failureOf(response);
      const field = response.headers['www-authenticate'];
      const better = await this.#authenticator.reauthorize(access, field, authorization, signal);
      if (better === undefined) {
        throw refusal;
      }
      response = await this.#transport.send({ ...http, authorization: better }, options);
    }
    if (!expect.includes(response.status)) {
      throw await failureOf(response);
    }
    return response;
  }

  #optionsOf(registry: string): RegistryOptions {
    const { registries, internal } = this.#options;
    return registries[registry] ?? { internal };
  }
}
