import type { Credentials } from './auth.ts';
import { parseChallenges } from './challenge.ts';
import type { Challenge } from './challenge.ts';
import { basic } from './token.ts';
import type { TokenSource } from './token.ts';
import type { RegistryOptions } from './transport.ts';

/** What a request may do, and who asks. */
export interface Access {
  registry: string;
  /** Such as `repository:library/nginx:pull`. */
  scopes: readonly string[];
  credentials: Credentials | undefined;
  options: RegistryOptions;
}

/**
 * Knows how each registry wants to be authorized, by the challenge it last answered with, so that only the first request
 * to a registry costs a refusal.
 */
export class Authenticator {
  readonly #tokens: TokenSource;
  readonly #challenges = new Map<string, Challenge>();

  constructor(tokens: TokenSource) {
    this.#tokens = tokens;
  }

  /** The Authorization to send, or undefined while the registry has not asked for any. */
  async authorize(access: Access, signal: AbortSignal): Promise<string | undefined> {
    return await this.#answer(access, undefined, signal);
  }

  /**
   * The Authorization that answers a 401, or undefined if there is none better than what was refused.
   * @param field the WWW-Authenticate of the answer.
   * @param rejected the Authorization that was sent.
   */
  async reauthorize(
    access: Access,
    field: string | string[] | undefined,
    rejected: string | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const challenges = parseChallenges(field);
    const challenge =
      challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm')) ??
      challenges.find(({ scheme }) => scheme === 'basic');
    if (challenge === undefined) {
      return undefined;
    }
    this.#challenges.set(access.registry, challenge);
    const authorization = await this.#answer(access, rejected, signal);
    return authorization === rejected ? undefined : authorization;
  }

  async #answer(access: Access, rejected: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    const challenge = this.#challenges.get(access.registry);
    if (challenge === undefined) {
      return undefined;
    }
    if (challenge.scheme === 'basic') {
      return basic(access.credentials);
    }
    const request = {
      ...access,
      realm: challenge.parameters.get('realm') ?? '',
      service: challenge.parameters.get('service'),
    };
    return `Bearer ${await this.#tokens.get(request, rejected?.replace(/^Bearer /, ''), signal)}`;
  }
}
