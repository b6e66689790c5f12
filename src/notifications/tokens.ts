import { createHash, timingSafeEqual } from 'node:crypto';

/** Shorter ones can be guessed. */
const MIN_LENGTH = 16;
/** More than a rotation needs. */
const MAX_TOKENS = 16;
/** Longest Authorization header that is looked at. */
const MAX_HEADER = 4096;

/** Tokens by which senders are known; any one of them will do, so that senders can change over one by one. */
export interface Tokens {
  /** How many there are. */
  readonly size: number;
  /** Keys of the Secret whose values are too short to be one, or one too many. */
  readonly refused: readonly string[];
  /**
   * Whether an Authorization header holds one of the tokens: `Bearer TOKEN` (RFC 6750), or the token alone, as Harbor sends what
   * was typed in. How long it takes says nothing about the tokens.
   */
  accepts(header: string | undefined): boolean;
}

/** Takes each value of a Secret for a token, without the white space around it. */
export function tokensOf(data: Readonly<Record<string, string>> | undefined): Tokens {
  const digests: Buffer[] = [];
  const refused: string[] = [];
  for (const [key, encoded] of Object.entries(data ?? {})) {
    const token = Buffer.from(encoded, 'base64').toString('utf8').trim();
    if (token.length >= MIN_LENGTH && digests.length < MAX_TOKENS) {
      digests.push(digestOf(token));
    } else {
      refused.push(key);
    }
  }
  return {
    size: digests.length,
    refused,
    accepts(header = '') {
      if (header.length > MAX_HEADER) {
        return false;
      }
      const offered = digestOf(header.replace(/^bearer +/i, '').trim());
      // Each is compared, whether or not one before it was equal; digests are of one length.
      return digests.reduce((found, digest) => timingSafeEqual(digest, offered) || found, false);
    },
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
