import { aborted } from '../../src/runtime/abort.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import type { ListOptions, ListPage, ListWatch, WatchEvent, WatchOptions } from '../../src/runtime/reflector.ts';

/** The answer of the API server with an error status. */
export function statusError(code: number, retryAfter?: number): Error {
  return Object.assign(new Error(`status ${code}`), { code, retryAfter });
}

/** One watch as its server has it. */
export class FakeWatch {
  readonly options: WatchOptions;
  readonly signal: AbortSignal;
  readonly #deaf: boolean;
  readonly #sent: (() => IteratorResult<WatchEvent<KubeObject>, undefined>)[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(options: WatchOptions, signal: AbortSignal, deaf: boolean) {
    this.options = options;
    this.signal = signal;
    this.#deaf = deaf;
  }

  /** Sends events. */
  send(...events: WatchEvent<KubeObject>[]): this {
    for (const value of events) {
      this.#queue(() => ({ done: false, value }));
    }
    return this;
  }

  /** Ends the watch as a server does. */
  end(): void {
    this.#queue(() => ({ done: true, value: undefined }));
  }

  /** Breaks the watch off. */
  fail(error: Error): void {
    this.#queue(() => {
      throw error;
    });
  }

  async *events(): AsyncGenerator<WatchEvent<KubeObject>, undefined> {
    for (;;) {
      const next = this.#sent.shift();
      if (next) {
        const result = next();
        if (result.done) {
          return;
        }
        yield result.value;
      } else {
        this.#wake = Promise.withResolvers<void>();
        await (this.#deaf ? this.#wake.promise : Promise.race([this.#wake.promise, aborted(this.signal)]));
        if (!this.#deaf) {
          this.signal.throwIfAborted();
        }
      }
    }
  }

  #queue(next: () => IteratorResult<WatchEvent<KubeObject>, undefined>): void {
    this.#sent.push(next);
    this.#wake.resolve();
  }
}

/**
 * Lists and watches that a test answers. Lists are answered by `onList`; watches stay open until the test ends them, or
 * fail at once with the errors in `refusals`.
 */
export class FakeListWatch implements ListWatch<KubeObject> {
  readonly lists: ListOptions[] = [];
  readonly watches: FakeWatch[] = [];
  readonly refusals: Error[] = [];
  /** Opens watches that do not listen to their signal, as a half-open connection would. */
  deaf = false;
  onList: (o: ListOptions, signal: AbortSignal) => ListPage<KubeObject> | Promise<ListPage<KubeObject>>;

  constructor(onList: FakeListWatch['onList'] = () => ({ items: [], resourceVersion: '1' })) {
    this.onList = onList;
  }

  async list(o: ListOptions, signal: AbortSignal): Promise<ListPage<KubeObject>> {
    this.lists.push(o);
    return this.onList(o, signal);
  }

  watch(o: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<KubeObject>> {
    const watch = new FakeWatch(o, signal, this.deaf);
    this.watches.push(watch);
    const refusal = this.refusals.shift();
    if (refusal) {
      watch.fail(refusal);
    }
    return watch.events();
  }

  /** The watch that was opened last. */
  get last(): FakeWatch {
    const watch = this.watches.at(-1);
    if (!watch) {
      throw new Error('nothing is watched yet');
    }
    return watch;
  }
}

/** An object of no particular kind. */
export function object(name: string, resourceVersion: string, more: Partial<KubeObject['metadata']> = {}): KubeObject {
  return { metadata: { name, namespace: 'default', uid: `uid-of-${name}`, resourceVersion, ...more } };
}
