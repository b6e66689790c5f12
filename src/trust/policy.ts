import { createHash } from 'node:crypto';
import { KeyError } from './errors.ts';
import { parsePublicKey, type PublicKey } from './publickey.ts';

/** Keys of which one must have signed an image. */
export interface Requirement {
  /** Where it is asked for, for messages. */
  from: string;
  keys: readonly PublicKey[];
}

/** A rule of the admin's: images by pattern, and the keys that may sign them, as PEM. */
export interface SourceRule {
  images: readonly string[];
  publicKeys: readonly string[];
}

/**
 * Whether a repository, `registry.example.com/shop/web`, fits a pattern, in which `*` stands for anything but a slash, and `**` for
 * anything.
 */
export function matchesPattern(pattern: string, repository: string): boolean {
  const expression = pattern
    .split(/(\*\*|\*)/)
    .map((part) => (part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')))
    .join('');
  return new RegExp(`^${expression}$`).test(repository);
}

/**
 * What a source must be signed by: each rule of the admin's that its repository fits, and what its object asks for. All must hold.
 * @param own public keys that the object names.
 * @throws KeyError for a key that is none, saying where it stands.
 */
export function requirementsFor(
  repository: string,
  rules: readonly SourceRule[],
  own: readonly string[] | undefined,
): Requirement[] {
  const ofRules = rules.flatMap(({ images, publicKeys }, i) =>
    images.some((pattern) => matchesPattern(pattern, repository))
      ? [{ from: `trust.sources[${i}] of the operator's configuration`, publicKeys }]
      : [],
  );
  const ofObject = own === undefined ? [] : [{ from: 'spec.source.verify', publicKeys: own }];
  return [...ofRules, ...ofObject].map(({ from, publicKeys }) => ({ from, keys: parseKeys(publicKeys, from) }));
}

/** Identity of what is required: another one has to be checked anew. */
export function hashOfRequirements(requirements: readonly Requirement[]): string {
  const ids = requirements.map(({ keys }) => keys.map(({ id }) => id).toSorted());
  return createHash('sha256').update(JSON.stringify(ids)).digest('hex').slice(0, 20);
}

function parseKeys(publicKeys: readonly string[], from: string): PublicKey[] {
  return publicKeys.map((pem, i) => {
    try {
      return parsePublicKey(pem);
    } catch (error) {
      throw error instanceof KeyError ? new KeyError(`${from}.publicKeys[${i}]: ${error.message}`) : error;
    }
  });
}
