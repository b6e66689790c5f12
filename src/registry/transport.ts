import type { IncomingHttpHeaders } from 'node:http';
import type { BlockList } from 'node:net';
import { createSecureContext, getCACertificates } from 'node:tls';
import { Agent, request as send } from 'undici';
import type { Dispatcher } from 'undici';
import { guardedLookup, refusalOf } from './addresses.ts';
import { RegistryError } from './errors.ts';
import { explain } from './failure.ts';

const MAX_REDIRECTS = 5;
const DISCARDED_BYTES = 16 * 1024;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const CONNECTIONS_PER_HOST = 32;
const KEEP_ALIVE_MS = 30_000;
/** The slowest upload that is waited for: a request's time limits grow by its body over this, in bytes per millisecond. */
const SLOWEST_UPLOAD = 64;

/** How a registry, and every host that it sends a client to, is spoken to. */
export interface RegistryOptions {
  /** Speak HTTP instead of HTTPS. Never tried unless said here. */
  plainHTTP?: boolean | undefined;
  /** Certificates (PEM) to trust beside the system's. */
  ca?: string | undefined;
  /** Addresses that are refused beside link-local ones, wherever the registry leads; with them, the names of the cluster. */
  internal?: BlockList | undefined;
}

/** Time limits in milliseconds. */
export interface Timeouts {
  /** Until a connection stands, TLS included. */
  connect: number;
  /** From the request until the answer's headers. */
  headers: number;
  /** Longest pause in a body. */
  idle: number;
  /** For a whole exchange whose answer is a document and not a stream, redirects included. */
  exchange: number;
}

export const DEFAULT_TIMEOUTS: Readonly<Timeouts> = {
  connect: 10_000,
  headers: 30_000,
  idle: 30_000,
  exchange: 60_000,
};

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  /** What it is about, for messages. */
  subject: string;
  headers?: Record<string, string>;
  /** Sent to the host of `url` alone, never to where that redirects. */
  authorization?: string | undefined;
  body?: Buffer | undefined;
  /** Milliseconds that the answer may take beyond the usual. */
  extraTime?: number | undefined;
  /** The answer's body is read piece by piece: no limit on the whole exchange. */
  streamed?: boolean;
  signal: AbortSignal;
}

export interface HttpResponse {
  request: HttpRequest;
  status: number;
  headers: IncomingHttpHeaders;
  /** Where the answer came from, after redirects. */
  url: URL;
  /** Must be read to its end or discarded, else its connection stays taken. */
  body: Dispatcher.ResponseData['body'];
}

/** Sends HTTP requests: one pool of kept-alive connections per set of trusted certificates and of refused addresses, HTTP/1.1. */
export class Transport {
  readonly #agents = new Map<string, Agent>();
  readonly #userAgent: string;
  readonly #timeouts: Timeouts;

  constructor(userAgent: string, timeouts: Timeouts) {
    this.#userAgent = userAgent;
    this.#timeouts = timeouts;
  }

  /**
   * Sends a request and follows the redirects of a GET or HEAD, at most five. A redirect to another scheme, host or port
   * is followed without the Authorization, for good.
   * @throws RegistryError of kind Unreachable, or Unsupported for a hop that is not safe; `signal.reason` once aborted.
   */
  async send(request: HttpRequest, options: RegistryOptions): Promise<HttpResponse> {
    let { url, authorization } = request;
    const signals = [request.signal];
    if (request.streamed !== true) {
      signals.push(AbortSignal.timeout(this.#timeouts.exchange + allowance(request)));
    }
    const signal = AbortSignal.any(signals);
    for (let redirects = 0; ; redirects += 1) {
      checkHop(url, request.subject, options);
      const response = await this.#exchange({ ...request, url, authorization, signal }, request, options);
      if (!REDIRECTS.includes(response.status) || (request.method !== 'GET' && request.method !== 'HEAD')) {
        return response;
      }
      discard(response);
      if (redirects === MAX_REDIRECTS) {
        throw new RegistryError(
          'Unreachable',
          `${request.subject}: more than ${MAX_REDIRECTS} redirects, the last from ${url.host}`,
        );
      }
      const next = resolveLocation(response);
      authorization = next.origin === url.origin ? authorization : undefined;
      url = next;
    }
  }

  /** Closes every connection, idle or not. */
  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
    this.#agents.clear();
  }

  async #exchange(hop: HttpRequest, request: HttpRequest, options: RegistryOptions): Promise<HttpResponse> {
    try {
      const { statusCode, headers, body } = await send(hop.url, {
        dispatcher: this.#agent(options),
        method: hop.method,
        headers: {
          ...hop.headers,
          'user-agent': this.#userAgent,
          ...(hop.authorization === undefined ? {} : { authorization: hop.authorization }),
        },
        body: hop.body ?? null,
        headersTimeout: this.#timeouts.headers + allowance(hop),
        signal: hop.signal,
      });
      return { request, status: statusCode, headers, url: hop.url, body };
    } catch (error) {
      throw explain(error, { request, url: hop.url });
    }
  }

  #agent({ ca = '', internal }: RegistryOptions): Agent {
    // A connection that one registry may have is none for another that may not.
    const key = `${internal === undefined ? 'any' : 'guarded'} ${ca}`;
    const agent = this.#agents.get(key) ?? this.#createAgent(ca, internal);
    this.#agents.set(key, agent);
    return agent;
  }

  #createAgent(ca: string, internal: BlockList | undefined): Agent {
    return new Agent({
      allowH2: false,
      connections: CONNECTIONS_PER_HOST,
      keepAliveTimeout: KEEP_ALIVE_MS,
      bodyTimeout: this.#timeouts.idle,
      connect: {
        timeout: this.#timeouts.connect,
        lookup: guardedLookup(internal),
        // One context for all connections: parsing the system's certificates for each would cost more than its handshake.
        ...(ca === '' ? {} : { secureContext: createSecureContext({ ca: [...getCACertificates('default'), ca] }) }),
      },
    });
  }
}

/** Frees the connection of an answer whose body nobody wants: read if it is small, so that the connection can be kept. */
export function discard({ body }: HttpResponse): void {
  void body.dump({ limit: DISCARDED_BYTES });
}

/**
 * The Location of an answer, made absolute, its query as it came (RFC 9110 §10.2.2).
 * @throws RegistryError of kind Invalid where there is none.
 */
export function resolveLocation({ headers, url, request, status }: Omit<HttpResponse, 'body'>): URL {
  const location = headers.location === undefined ? null : URL.parse(headers.location, url.href);
  if (location === null) {
    throw new RegistryError('Invalid', `${request.subject}: ${url.host} answered ${status} without a usable Location`, {
      status,
    });
  }
  return location;
}

function checkHop(url: URL, subject: string, { plainHTTP, internal }: RegistryOptions): void {
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && plainHTTP === true)) {
    throw new RegistryError(
      'Unsupported',
      `${subject}: the registry points to ${url.protocol}//${url.host}, which is not HTTPS. ` +
        'Give the registry its https address (behind a proxy: X-Forwarded-Proto), or set plainHTTP for it',
    );
  }
  const refusal = refusalOf(url.hostname, internal);
  if (refusal !== undefined) {
    throw new RegistryError('Refused', `${subject}: ${url.host} ${refusal}`);
  }
}

function allowance({ body, extraTime = 0 }: HttpRequest): number {
  return Math.ceil(extraTime + (body?.length ?? 0) / SLOWEST_UPLOAD);
}
