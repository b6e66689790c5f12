import type { Logger } from 'pino';
import { withDeadline } from './abort.ts';
import { jitteredBackoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import { retryAfterOf, statusOf } from './errors.ts';
import type { KubeObject } from './object.ts';

/** What a list asks for. Without a resourceVersion it is a consistent read. */
export interface ListOptions {
  /** Most items in one answer; all of them without it. */
  limit?: number;
  /** Token of the page before. */
  continue?: string;
  resourceVersion?: string;
}

/** What a watch asks for. Bookmarks are always wanted. */
export interface WatchOptions {
  /** Where the watch starts: changes after this version. */
  resourceVersion: string;
  /** When the server ends the watch. */
  timeoutSeconds: number;
}

/** An event of a watch. An ERROR is the last one. */
export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; resourceVersion: string }
  | { type: 'ERROR'; code: number; message: string };

/** One page of a list. */
export interface ListPage<T> {
  items: T[];
  resourceVersion: string;
  continue?: string;
}

/**
 * Lists and watches one kind (client-go ListerWatcher). Errors that carry the answer of the API server have its HTTP status
 * in `code`, and in `retryAfter` the milliseconds it asked for.
 */
export interface ListWatch<T> {
  list(o: ListOptions, signal: AbortSignal): Promise<ListPage<T>>;
  /** Ends when the server ends the watch; throws when the connection breaks. */
  watch(o: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>>;
}

/** Where a reflector puts what it sees. Its methods must not throw. */
export interface ReflectorStore<T> {
  /** Everything there is. */
  replace(items: T[]): void;
  upsert(object: T): void;
  delete(object: T): void;
}

const PAGE_LIMIT = 500;
/** As long as the API server itself lets a list take. */
const LIST_TIMEOUT_MS = 60_000;
const MIN_WATCH_TIMEOUT_S = 300;
const MAX_WATCH_TIMEOUT_S = 600;
/** What the server's own end of a watch may be late before the connection counts as dead. */
const WATCH_GRACE_MS = 15_000;
/** Bookmarks come about once a minute: after two and a half without a sign the connection counts as dead. */
const INACTIVITY_MS = 150_000;
const VERY_SHORT_WATCH_MS = 1000;
/** Watches that may fail in a row, without one event, before everything is listed again. */
const FRUITLESS_WATCHES = 3;

/** A watch that ended at once and empty-handed: going on like that would be a busy loop. */
class VeryShortWatchError extends Error {
  override readonly name = 'VeryShortWatchError';
}

/** An ERROR event. */
class WatchError extends Error {
  override readonly name = 'WatchError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(`the watch ended with ${code}: ${message}`);
    this.code = code;
  }
}

/**
 * Keeps a store in step with the API server (client-go cache.Reflector): list, then watch from there, again and again. What
 * differs: lists are always paged, consistent reads, as one answer with everything in it would hold up the event loop.
 */
export class Reflector<T extends KubeObject> {
  readonly #listWatch: ListWatch<T>;
  readonly #store: ReflectorStore<T>;
  readonly #clock: Clock;
  readonly #log: Logger;
  #resourceVersion = '';
  #listed = false;
  #fruitlessWatches = 0;

  constructor(o: { listWatch: ListWatch<T>; store: ReflectorStore<T>; clock: Clock; log: Logger }) {
    this.#listWatch = o.listWatch;
    this.#store = o.store;
    this.#clock = o.clock;
    this.#log = o.log;
  }

  /** The version that the store has read to: empty before the first list. */
  get lastSyncResourceVersion(): string {
    return this.#resourceVersion;
  }

  /** Runs until `signal` aborts, and then resolves. Errors are logged and tried again after a back-off. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = jitteredBackoff({ clock: this.#clock, initial: 800, max: 30_000, reset: 120_000 });
    while (!signal.aborted) {
      try {
        if (!this.#listed) {
          await this.#list(signal);
        }
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) {
          return;
        }
        this.#listed &&= !this.#mustRelist(error);
        const delayMs = Math.max(backoff(), retryAfterOf(error) ?? 0);
        this.#log.warn({ err: error, relist: !this.#listed, delayMs }, 'list or watch failed, trying again');
        await this.#clock.sleep(delayMs, signal).catch(() => undefined);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { items, resourceVersion } = await this.#pages(signal);
    this.#store.replace(items);
    this.#resourceVersion = resourceVersion;
    this.#listed = true;
    this.#fruitlessWatches = 0;
  }

  async #pages(signal: AbortSignal): Promise<ListPage<T>> {
    const first = await this.#page({ limit: PAGE_LIMIT }, signal);
    let { items, continue: token } = first;
    while (token) {
      try {
        const page = await this.#page({ limit: PAGE_LIMIT, continue: token }, signal);
        items = items.concat(page.items);
        token = page.continue;
      } catch (error) {
        if (statusOf(error) !== 410) {
          throw error;
        }
        // The list grew too old on the way (client-go ListPager, FullListIfExpired): pages might never be fast enough.
        this.#log.info('a list expired between two pages, listing in one piece');
        return this.#page({}, signal);
      }
    }
    return { items, resourceVersion: first.resourceVersion };
  }

  #page(o: ListOptions, signal: AbortSignal): Promise<ListPage<T>> {
    return withDeadline({ clock: this.#clock, ms: LIST_TIMEOUT_MS, what: 'list', signal }, (bounded) =>
      this.#listWatch.list(o, bounded),
    );
  }

  /** One watch, to its end. Resolves when the server ended it; throws otherwise. */
  async #watch(signal: AbortSignal): Promise<void> {
    const timeoutSeconds = Math.round(
      MIN_WATCH_TIMEOUT_S + Math.random() * (MAX_WATCH_TIMEOUT_S - MIN_WATCH_TIMEOUT_S),
    );
    const started = this.#clock.monotonic();
    const ms = timeoutSeconds * 1000 + WATCH_GRACE_MS;
    const events = await withDeadline({ clock: this.#clock, ms, what: 'watch', signal }, (watching) =>
      this.#consume(
        this.#listWatch.watch({ resourceVersion: this.#resourceVersion, timeoutSeconds }, watching),
        watching,
      ),
    );
    if (events === 0 && this.#clock.monotonic() - started < VERY_SHORT_WATCH_MS) {
      throw new VeryShortWatchError('very short watch: it ended within a second and without an event');
    }
    this.#fruitlessWatches = 0;
  }

  async #consume(watch: AsyncIterable<WatchEvent<T>>, watching: AbortSignal): Promise<number> {
    const iterator = watch[Symbol.asyncIterator]();
    const idle = { clock: this.#clock, ms: INACTIVITY_MS, what: 'waiting for an event of the watch', signal: watching };
    try {
      for (let events = 0; ; events++) {
        const next = await withDeadline(idle, () => iterator.next());
        if (next.done) {
          return events;
        }
        this.#handle(next.value);
      }
    } finally {
      // Not awaited: a source that hangs would hang here as well. Its signal aborts next.
      iterator.return?.().catch(() => undefined);
    }
  }

  #handle(event: WatchEvent<T>): void {
    switch (event.type) {
      case 'ERROR':
        throw new WatchError(event.code, event.message);
      case 'BOOKMARK':
        this.#resourceVersion = event.resourceVersion;
        break;
      case 'DELETED':
        this.#store.delete(event.object);
        this.#resourceVersion = event.object.metadata.resourceVersion ?? this.#resourceVersion;
        break;
      default:
        this.#store.upsert(event.object);
        this.#resourceVersion = event.object.metadata.resourceVersion ?? this.#resourceVersion;
    }
    this.#fruitlessWatches = 0;
  }

  /** Whether a watch that failed with `error` cannot go on from the version it had reached. */
  #mustRelist(error: unknown): boolean {
    switch (statusOf(error)) {
      case 410: // Expired: the changes since then are no longer known.
        return true;
      case 429: // A list would only add to the load.
        return false;
      default:
        // A lost connection has lost no changes, but one that cannot be read would come again and again.
        return error instanceof VeryShortWatchError || ++this.#fruitlessWatches >= FRUITLESS_WATCHES;
    }
  }
}
