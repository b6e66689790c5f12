import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Credentials } from './auth.ts';
import { RegistryError } from './errors.ts';
import { failureOf, readBody } from './failure.ts';
import { discard } from './transport.ts';
import type { HttpRequest, RegistryOptions, Transport } from './transport.ts';

const CLIENT_ID = 'slipstream';
const TOKEN_BODY_LIMIT = 256 * 1024;
/** Lifetime of a token that does not say (distribution token specification: 60 seconds). */
const DEFAULT_LIFETIME_S = 60;
/** A token is not used in its last 30 seconds, or the last tenth of its life if that is shorter. */
const SKEW_MS = 30_000;
const CACHE_SIZE = 1000;

/** `token` and `access_token` are the same by the specification; registries send either or both. */
const TokenBody = z
  .object({ token: z.string().optional(), access_token: z.string().optional(), expires_in: z.number().optional() })
  .transform((body) => ({ token: body.token || body.access_token, lifetime: body.expires_in || DEFAULT_LIFETIME_S }));

/** What a token must be good for, and who asks for it. */
export interface TokenRequest {
  realm: string;
  service: string | undefined;
  /** Such as `repository:library/nginx:pull`. */
  scopes: readonly string[];
  credentials: Credentials | undefined;
  /** Those of the registry that named the realm. */
  options: RegistryOptions;
}

interface CachedToken {
  token: Promise<string>;
  /** The token, once it is there. */
  value?: string;
  /** On the clock of `now`; never, while the token is on its way. */
  expires: number;
}

/**
 * Fetches bearer tokens (distribution project, "Token Authentication Specification" and "OAuth 2.0") and keeps each until
 * shortly before it expires. Calls for the same token at the same time share one request.
 */
export class TokenSource {
  readonly #transport: Transport;
  readonly #now: () => number;
  readonly #cache = new Map<string, CachedToken>();

  /** @param now milliseconds of a clock that never goes back. */
  constructor(transport: Transport, now: () => number = () => performance.now()) {
    this.#transport = transport;
    this.#now = now;
  }

  /**
   * A token for the request.
   * @param rejected a token that the registry has just refused: never given again.
   * @throws RegistryError of kind Unauthorized, RateLimited, Unreachable, Unsupported or Invalid; `signal.reason`.
   */
  async get(request: TokenRequest, rejected: string | undefined, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const key = cacheKey(request);
    const cached = this.#cache.get(key);
    const usable = cached !== undefined && cached.expires > this.#now() && (cached.value ?? '') !== rejected;
    return await abortable(usable ? cached.token : this.#fetchOnce(key, request), signal);
  }

  #fetchOnce(key: string, request: TokenRequest): Promise<string> {
    const entry: CachedToken = { token: Promise.resolve(''), expires: Infinity };
    entry.token = this.#fetch(request).then(
      ({ token, lifetime }) => {
        const ms = lifetime * 1000;
        entry.value = token;
        entry.expires = this.#now() + ms - Math.min(SKEW_MS, ms / 10);
        return token;
      },
      (error: unknown) => {
        if (this.#cache.get(key) === entry) {
          this.#cache.delete(key);
        }
        throw error;
      },
    );
    this.#cache.delete(key);
    this.#cache.set(key, entry);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHE_SIZE) {
        break;
      }
      this.#cache.delete(oldest);
    }
    return entry.token;
  }

  async #fetch(request: TokenRequest): Promise<{ token: string; lifetime: number }> {
    const subject = `token for ${request.scopes.join(' ')}`;
    const response = await this.#transport.send(httpRequest(request, subject), request.options);
    if (response.status === 400 || response.status === 401 || response.status === 403) {
      discard(response);
      throw new RegistryError(
        'Unauthorized',
        `${subject}: ${response.url.host} refused ${request.credentials === undefined ? 'an anonymous client' : 'the credentials'} ` +
          `(${response.status}). Check that the credentials given for the registry are complete, valid and not expired`,
        { status: response.status },
      );
    }
    if (response.status !== 200) {
      throw await failureOf(response);
    }
    const body = parse(await readBody(response, TOKEN_BODY_LIMIT));
    if (body?.token === undefined) {
      throw new RegistryError('Invalid', `${subject}: ${response.url.host} answered without a token`, { status: 200 });
    }
    return { token: body.token, lifetime: body.lifetime };
  }
}

function httpRequest({ realm, service, scopes, credentials }: TokenRequest, subject: string): HttpRequest {
  const url = URL.parse(realm);
  if (url === null) {
    throw new RegistryError('Invalid', `${subject}: the registry names a token service that is no URL`);
  }
  // Not the caller's signal: others may be waiting for the same token. The transport's time limit ends it.
  const base = { url, subject, signal: new AbortController().signal };
  const query = new URLSearchParams(service === undefined ? {} : { service });
  if (credentials?.identityToken !== undefined) {
    query.set('scope', scopes.join(' '));
    query.set('grant_type', 'refresh_token');
    query.set('client_id', CLIENT_ID);
    query.set('refresh_token', credentials.identityToken);
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
    return { ...base, method: 'POST', headers, body: Buffer.from(query.toString()) };
  }
  for (const scope of scopes) {
    query.append('scope', scope);
  }
  url.search += `${url.search === '' ? '?' : '&'}${query.toString()}`;
  return { ...base, method: 'GET', headers: { accept: 'application/json' }, authorization: basic(credentials) };
}

/** The Authorization of RFC 7617, or undefined where there is no user name and password. */
export function basic(credentials: Credentials | undefined): string | undefined {
  if (credentials?.username === undefined || credentials.password === undefined) {
    return undefined;
  }
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

function parse(body: Buffer): z.infer<typeof TokenBody> | undefined {
  try {
    return TokenBody.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return undefined;
  }
}

/** Hashed, so that no secret is kept as a key. */
function cacheKey({ realm, service, scopes, credentials, options }: TokenRequest): string {
  const who = [credentials?.username, credentials?.password, credentials?.identityToken, options.ca];
  return createHash('sha256')
    .update(JSON.stringify([realm, service, scopes, who]))
    .digest('hex');
}

/** Waits for a shared promise until the caller aborts. */
async function abortable<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => {
    reject(signal.reason as Error);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([shared, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
