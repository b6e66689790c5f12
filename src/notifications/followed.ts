import { canonicalHost, InvalidReferenceError, parseReference } from '../registry/reference.ts';
import type { PushedTag } from './pushed.ts';

/**
 * Who follows which tag, by keys. A host that is known is taken at its word; by any other name the registry may be any, for
 * inside a cluster it often has one that no image has, and then repository and tag decide alone. Asking a registry once too
 * often does no harm.
 */
export class FollowedTags {
  readonly #known: ReadonlySet<string>;
  readonly #images = new Map<string, readonly Followed[]>();
  /** `repository:tag` → keys. */
  readonly #followers = new Map<string, Set<string>>();
  /** How many images each host has. */
  readonly #hosts = new Map<string, number>();

  /** @param hosts that are known beside those of the images that are followed */
  constructor(hosts: readonly string[]) {
    this.#known = new Set(hosts.map(canonicalHost));
  }

  /** Has `key` follow images, and none that it followed before. A digest never moves: it is not followed, nor is what is no reference. */
  set(key: string, images: readonly string[]): void {
    this.delete(key);
    const followed = images.flatMap((image) => followable(image) ?? []);
    for (const { registry, name } of followed) {
      const followers = this.#followers.get(name) ?? new Set();
      this.#followers.set(name, followers.add(key));
      this.#hosts.set(registry, (this.#hosts.get(registry) ?? 0) + 1);
    }
    this.#images.set(key, followed);
  }

  /** Has `key` follow nothing. */
  delete(key: string): void {
    for (const { registry, name } of this.#images.get(key) ?? []) {
      const followers = this.#followers.get(name);
      followers?.delete(key);
      if (followers?.size === 0) {
        this.#followers.delete(name);
      }
      const left = (this.#hosts.get(registry) ?? 0) - 1;
      if (left > 0) {
        this.#hosts.set(registry, left);
      } else {
        this.#hosts.delete(registry);
      }
    }
    this.#images.delete(key);
  }

  /** The keys that follow a tag. */
  followersOf({ host, repository, tag }: Pick<PushedTag, 'host' | 'repository' | 'tag'>): string[] {
    const name = nameOf(repository, tag);
    const followers = [...(this.#followers.get(name) ?? [])];
    const registry = host === undefined ? undefined : canonicalHost(host);
    if (registry === undefined || !(this.#known.has(registry) || this.#hosts.has(registry))) {
      return followers;
    }
    return followers.filter((key) =>
      this.#images.get(key)?.some((image) => image.name === name && image.registry === registry),
    );
  }
}

/** A tag as it is followed. */
interface Followed {
  registry: string;
  /** `repository:tag`. */
  name: string;
}

function followable(image: string): Followed | undefined {
  try {
    const { registry, repository, tag, digest } = parseReference(image);
    return tag === undefined || digest !== undefined ? undefined : { registry, name: nameOf(repository, tag) };
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
