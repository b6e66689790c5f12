import type { Key } from './object.ts';

/**
 * Remembers the resourceVersion of own writes, so that a key is not reconciled on a cache that has not seen them yet
 * (KEP-5647). One instance for one kind: versions of different kinds do not compare.
 */
export class OwnWrites {
  readonly #written = new Map<Key, string>();

  /** Remembers that `key` was written and came back with `resourceVersion`. An older write than the one known changes nothing. */
  remember(key: Key, resourceVersion: string): void {
    const known = this.#written.get(key);
    if (known === undefined || !((compareResourceVersions(known, resourceVersion) ?? -1) >= 0)) {
      this.#written.set(key, resourceVersion);
    }
  }

  /**
   * Whether the cache is behind the last own write to `key`: the change that is missing will come by watch. Versions that
   * do not compare never hold a key back, as in the KEP.
   * @param cachedResourceVersion of the cached object, or, for keys that may be gone, the version the cache has read to
   */
  isStale(key: Key, cachedResourceVersion: string): boolean {
    const written = this.#written.get(key);
    if (written === undefined) {
      return false;
    }
    const stale = (compareResourceVersions(written, cachedResourceVersion) ?? 0) > 0;
    if (!stale) {
      this.#written.delete(key);
    }
    return stale;
  }

  /** Forgets `key`, whose object is gone. */
  forget(key: Key): void {
    this.#written.delete(key);
  }
}

/**
 * Below, at or above zero as `a` is older than, the same as or newer than `b`; undefined when one of them is not a version
 * that compares. Only within one kind (KEP-5504, apimachinery resourceversion.CompareResourceVersion).
 */
export function compareResourceVersions(a: string, b: string): number | undefined {
  const wellFormed = /^[1-9][0-9]*$/;
  if (!wellFormed.test(a) || !wellFormed.test(b)) {
    return undefined;
  }
  if (a.length !== b.length) {
    return a.length - b.length;
  }
  return a === b ? 0 : a < b ? -1 : 1;
}
