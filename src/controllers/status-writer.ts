import { isDeepStrictEqual } from 'node:util';
import type { KubeClient, Manifest } from '../kube/client.ts';
import type { Resource } from '../kube/resources.ts';
import { keyOf } from '../runtime/object.ts';
import type { Key, KubeObject } from '../runtime/object.ts';
import { OwnWrites } from '../runtime/ownwrites.ts';

/** When to look again at an object whose cached copy is older than what was last written to it. */
export const STALE_CACHE_MS = 200;

interface WithStatus<S> extends KubeObject {
  status?: S | undefined;
}

/**
 * Writes the status of one kind: by server-side apply, under one field manager, identity and status only, and only when it
 * changed. Remembers its own writes, so that an object is not reconciled again on a cache that has not seen them (KEP-5647).
 */
export class StatusWriter<T extends WithStatus<S>, S extends object> {
  readonly #client: KubeClient;
  readonly #resource: Resource<T>;
  readonly #fieldManager: string;
  readonly #foreign: readonly (keyof S)[];
  readonly #written = new OwnWrites();

  /** @param foreign fields of the status that somebody else writes: they are left out, or they would be taken over and put back */
  constructor(client: KubeClient, resource: Resource<T>, fieldManager: string, foreign: readonly (keyof S)[] = []) {
    this.#client = client;
    this.#resource = resource;
    this.#fieldManager = fieldManager;
    this.#foreign = foreign;
  }

  /** Whether the cached object is at least as new as what was last written to it. */
  isFresh(object: T): boolean {
    return !this.#written.isStale(keyOf(object), object.metadata.resourceVersion ?? '');
  }

  async write(object: T, status: S, signal: AbortSignal): Promise<void> {
    const next = this.#own(status);
    if (isDeepStrictEqual(this.#own(object.status ?? {}), next)) {
      return;
    }
    const { group, version, kind } = this.#resource;
    const { name, namespace, uid } = object.metadata;
    const written = await this.#client.apply(
      this.#resource,
      {
        apiVersion: `${group}/${version}`,
        kind,
        metadata: { name, namespace, uid },
        status: next,
      } as unknown as Manifest<T>,
      { fieldManager: this.#fieldManager, force: true, subresource: 'status' },
      signal,
    );
    this.#written.remember(keyOf(object), written.metadata.resourceVersion ?? '');
  }

  /** What this writer writes of a status, as it would come back from the wire: without undefined, with stable types. */
  #own(status: object): unknown {
    const own = Object.entries(status).filter(([field]) => !this.#foreign.includes(field as keyof S));
    return JSON.parse(JSON.stringify(Object.fromEntries(own)));
  }

  /** Forgets an object that is gone. */
  forget(key: Key): void {
    this.#written.forget(key);
  }
}
