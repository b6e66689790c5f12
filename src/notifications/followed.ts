import { canonicalHost, InvalidReferenceError, parseReference, type Reference } from '../registry/reference.ts';
import type { PushedTag } from './pushed.ts';

/**
 * Who follows which tag, by keys. A host that is known is taken at its word; by any other name the registry may be any, for
 * inside a cluster it often has one that no image has, and then repository and tag decide alone. Asking a registry once too
 * often does no harm.
 */
export class FollowedTags {
  readonly #known: ReadonlySet<string>;
  readonly #sources = new Map<string, Reference>();
  /** `repository:tag` → keys. */
  readonly #followers = new Map<string, Set<string>>();
  /** How many sources each host has. */
  readonly #hosts = new Map<string, number>();

  /** @param hosts that are known beside those of the images that are followed */
  constructor(hosts: readonly string[]) {
    this.#known = new Set(hosts.map(canonicalHost));
  }

  /** Has `key` follow an image, and none that it followed before. A digest never moves: it is not followed, nor is what is no reference. */
  set(key: string, image: string): void {
    this.delete(key);
    const source = parse(image);
    if (source?.tag === undefined || source.digest !== undefined) {
      return;
    }
    const name = nameOf(source.repository, source.tag);
    const followers = this.#followers.get(name) ?? new Set();
    this.#followers.set(name, followers.add(key));
    this.#sources.set(key, source);
    this.#hosts.set(source.registry, (this.#hosts.get(source.registry) ?? 0) + 1);
  }

  /** Has `key` follow nothing. */
  delete(key: string): void {
    const source = this.#sources.get(key);
    if (source?.tag === undefined) {
      return;
    }
    const name = nameOf(source.repository, source.tag);
    const followers = this.#followers.get(name);
    followers?.delete(key);
    if (followers?.size === 0) {
      this.#followers.delete(name);
    }
    this.#sources.delete(key);
    const left = (this.#hosts.get(source.registry) ?? 0) - 1;
    if (left > 0) {
      this.#hosts.set(source.registry, left);
    } else {
      this.#hosts.delete(source.registry);
    }
  }

  /** The keys that follow a tag. */
  followersOf({ host, repository, tag }: Pick<PushedTag, 'host' | 'repository' | 'tag'>): string[] {
    const followers = [...(this.#followers.get(nameOf(repository, tag)) ?? [])];
    const registry = host === undefined ? undefined : canonicalHost(host);
    if (registry === undefined || !(this.#known.has(registry) || this.#hosts.has(registry))) {
      return followers;
    }
    return followers.filter((key) => this.#sources.get(key)?.registry === registry);
  }
}

function parse(image: string): Reference | undefined {
  try {
    return parseReference(image);
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      return undefined;
    }
    throw error;
  }
}

/** No repository has a colon. */
function nameOf(repository: string, tag: string): string {
  return `${repository}:${tag}`;
}
