import type { Logger } from 'pino';
import { abortable } from './abort.ts';
import type { Clock } from './clock.ts';
import { keyOf } from './object.ts';
import type { KubeObject } from './object.ts';
import { Reflector } from './reflector.ts';
import type { ListWatch } from './reflector.ts';
import { Store } from './store.ts';
import type { Change, ReadStore } from './store.ts';

/** What an informer is made of. */
export interface InformerOptions<T> {
  /** Names the informer in logs. */
  name: string;
  listWatch: ListWatch<T>;
  clock: Clock;
  log: Logger;
  /** Applied before an object is stored, to drop what nobody reads. Must keep its key, uid and resourceVersion. */
  transform?: (object: T) => T;
}

/** One kind kept in memory, with handlers for its changes (client-go SharedInformer). */
export class Informer<T extends KubeObject> {
  readonly name: string;
  readonly store: ReadStore<T>;
  readonly #log: Logger;
  readonly #reflector: Reflector<T>;
  readonly #handlers: ((change: Change<T>) => void)[] = [];
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;

  constructor({ name, listWatch, clock, log, transform = (object) => object }: InformerOptions<T>) {
    const store = new Store<T>();
    this.name = name;
    this.store = store;
    this.#log = log.child({ informer: name });
    this.#reflector = new Reflector({
      listWatch,
      clock,
      log: this.#log,
      store: {
        replace: (items) => {
          this.#tell(store.replace(items.map(transform)));
          this.#hasSynced = true;
          this.#synced.resolve();
        },
        upsert: (object) => this.#tell(store.upsert(transform(object))),
        delete: (object) => this.#tell(store.delete(keyOf(object))),
      },
    });
  }

  /** The version that the store has read to: empty before the first list. */
  get lastSyncResourceVersion(): string {
    return this.#reflector.lastSyncResourceVersion;
  }

  /**
   * Calls `handler` for each change, after the store has it. What is in the store already comes first, as added. Handlers
   * only say which keys to look at: they run between two events, and one that throws is logged.
   */
  onChange(handler: (change: Change<T>) => void): void {
    this.#handlers.push(handler);
    for (const object of this.store.list()) {
      this.#call(handler, { type: 'added', object });
    }
  }

  /** Whether the first list is in the store and all handlers have seen it. */
  hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves when the informer has synced; rejects with `signal.reason` when `signal` aborts first. */
  waitForSync(signal: AbortSignal): Promise<void> {
    return abortable(this.#synced.promise, signal);
  }

  /** Lists and watches until `signal` aborts, and then resolves. */
  run(signal: AbortSignal): Promise<void> {
    return this.#reflector.run(signal);
  }

  #tell(changes: Change<T>[]): void {
    for (const change of changes) {
      for (const handler of this.#handlers) {
        this.#call(handler, change);
      }
    }
  }

  #call(handler: (change: Change<T>) => void, change: Change<T>): void {
    try {
      handler(change);
    } catch (error) {
      this.#log.error({ err: error, key: keyOf(change.object), change: change.type }, 'a handler failed');
    }
  }
}
