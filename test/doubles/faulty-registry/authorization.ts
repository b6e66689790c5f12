import { errorReply } from './http.ts';
import type { RecordedRequest, Reply } from './http.ts';

/** Who may come in, and how they prove it. */
export interface AuthorizationOptions {
  scheme: 'Basic' | 'Bearer';
  /** User name → password. */
  users?: Record<string, string>;
  /** Refresh tokens that POST /token takes. */
  identityTokens?: string[];
  /** Whether clients without credentials get tokens to pull. */
  anonymous?: boolean;
  /** Seconds that a token is said to live. */
  lifetime?: number;
  /** Where tokens are, if not at this registry. */
  realm?: string;
}

/** Basic authentication, or tokens as the distribution project specifies them. */
export class Authorization {
  readonly #options: AuthorizationOptions;
  /** Token → the `name:action`s it is good for. */
  readonly #granted = new Map<string, Set<string>>();
  #issued = 0;

  constructor(options: AuthorizationOptions) {
    this.#options = options;
  }

  /** Forgets all tokens, as a token service does that changes its key. */
  revokeTokens(): void {
    this.#granted.clear();
  }

  /** The refusal of a request to the API, or undefined. */
  refuse(origin: string, request: RecordedRequest, needed: readonly string[]): Reply | undefined {
    const [scheme, value = ''] = String(request.headers.authorization ?? '').split(' ');
    if (this.#options.scheme === 'Basic') {
      return scheme === 'Basic' && this.#isUser(value)
        ? undefined
        : challenge('Basic realm="registry, \\"internal\\""');
    }
    const granted = scheme === 'Bearer' ? this.#granted.get(value) : undefined;
    if (granted !== undefined && needed.every((access) => granted.has(access))) {
      return undefined;
    }
    const realm = this.#options.realm ?? `${origin}/token`;
    return challenge(`Bearer realm="${realm}",service="faulty",scope="repository:${needed.join(' repository:')}"`);
  }

  /** Answers the token endpoint: GET with Basic or nothing, POST with a refresh token. */
  token(request: RecordedRequest): Reply {
    const isPost = request.method === 'POST';
    const form = new URLSearchParams(isPost ? request.body.toString() : request.query);
    const [scheme, value = ''] = String(request.headers.authorization ?? '').split(' ');
    const known = isPost
      ? form.get('grant_type') === 'refresh_token' &&
        this.#options.identityTokens?.includes(form.get('refresh_token') ?? '')
      : scheme === 'Basic' && this.#isUser(value);
    const anonymous = !isPost && scheme === '' && this.#options.anonymous === true;
    if ((known !== true && !anonymous) || form.get('service') !== 'faulty') {
      return errorReply(401, 'UNAUTHORIZED', 'incorrect user name or password');
    }
    const granted = new Set<string>();
    for (const scope of form.getAll('scope').flatMap((scopes) => scopes.split(' '))) {
      const [, name = '', actions = ''] = scope.split(':');
      for (const action of actions.split(',').filter((action) => known || action === 'pull')) {
        granted.add(`${name}:${action}`);
      }
    }
    this.#issued += 1;
    const token = `token-${this.#issued}`;
    this.#granted.set(token, granted);
    const body = { [isPost ? 'access_token' : 'token']: token, expires_in: this.#options.lifetime ?? 300 };
    return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) };
  }

  #isUser(base64: string): boolean {
    const [name = '', ...password] = Buffer.from(base64, 'base64').toString().split(':');
    return this.#options.users?.[name] === password.join(':');
  }
}

function challenge(field: string): Reply {
  return errorReply(401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': field });
}
