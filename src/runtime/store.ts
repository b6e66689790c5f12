import { deepFreeze, keyOf, type Key, type KubeObject } from './object.ts';

/** What became of one object. Objects are frozen. */
export type Change<T> =
  { type: 'added'; object: T } | { type: 'updated'; old: T; object: T } | { type: 'deleted'; object: T };

/** A store as its readers see it. What it hands out is frozen and shared: copy before changing. */
export interface ReadStore<T> {
  get(key: Key): T | undefined;
  list(): T[];
  listNamespace(namespace: string): T[];
  readonly size: number;
}

/** Objects by key and by namespace. Every write says what it changed. */
export class Store<T extends KubeObject> implements ReadStore<T> {
  readonly #objects = new Map<Key, T>();
  readonly #namespaces = new Map<string, Map<Key, T>>();

  get(key: Key): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  listNamespace(namespace: string): T[] {
    return [...(this.#namespaces.get(namespace)?.values() ?? [])];
  }

  get size(): number {
    return this.#objects.size;
  }

  /**
   * Makes `items` the whole content. Objects that are not among them count as deleted; those whose resourceVersion is
   * the one known already have not changed.
   */
  replace(items: Iterable<T>): Change<T>[] {
    const changes: Change<T>[] = [];
    const vanished = new Set(this.#objects.keys());
    for (const item of items) {
      vanished.delete(keyOf(item));
      changes.push(...this.upsert(item));
    }
    for (const key of vanished) {
      changes.push(...this.delete(key));
    }
    return changes;
  }

  /** Adds or replaces `object`. Another uid under the same key is another object: deleted, then added. */
  upsert(object: T): Change<T>[] {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    if (old && isSameVersion(old, object)) {
      return [];
    }
    deepFreeze(object);
    this.#objects.set(key, object);
    this.#namespace(object).set(key, object);
    if (!old) {
      return [{ type: 'added', object }];
    }
    if (old.metadata.uid === object.metadata.uid) {
      return [{ type: 'updated', old, object }];
    }
    return [
      { type: 'deleted', object: old },
      { type: 'added', object },
    ];
  }

  /** Removes the object under `key`, if there is one. */
  delete(key: Key): Change<T>[] {
    const object = this.#objects.get(key);
    if (!object) {
      return [];
    }
    this.#objects.delete(key);
    const siblings = this.#namespace(object);
    siblings.delete(key);
    if (siblings.size === 0) {
      this.#namespaces.delete(object.metadata.namespace ?? '');
    }
    return [{ type: 'deleted', object }];
  }

  #namespace(object: T): Map<Key, T> {
    const namespace = object.metadata.namespace ?? '';
    let objects = this.#namespaces.get(namespace);
    if (!objects) {
      this.#namespaces.set(namespace, (objects = new Map()));
    }
    return objects;
  }
}

function isSameVersion(a: KubeObject, b: KubeObject): boolean {
  const { resourceVersion } = a.metadata;
  return resourceVersion !== undefined && resourceVersion === b.metadata.resourceVersion;
}
