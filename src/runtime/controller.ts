import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { aborted } from './abort.ts';
import type { Clock } from './clock.ts';
import { retryAfterOf } from './errors.ts';
import type { Key } from './object.ts';
import { WorkQueue } from './queue.ts';
import { controllerRateLimiter } from './rate-limiter.ts';
import type { RateLimits } from './rate-limiter.ts';

/** What a reconcile gets beside its key. */
export interface ReconcileContext {
  /** Says controller, key and reconcileId in every line. */
  log: Logger;
  reconcileId: string;
  /** Aborts when the controller stops. */
  signal: AbortSignal;
}

/** How a reconcile that did not throw went. */
export interface Outcome {
  /** Look at the key again after this many milliseconds. */
  requeueAfter?: number;
}

/** An error that trying again will not mend: logged and counted, not retried (controller-runtime reconcile.TerminalError). */
export class TerminalError extends Error {
  override name = 'TerminalError';
}

/** How a reconcile ended, as metrics tell it. */
export type ReconcileResult = 'success' | 'error' | 'requeue_after' | 'terminal';

/** Where a controller counts. */
export interface ControllerMetrics {
  /** One reconcile of the controller `name` ended after `seconds`. */
  observe(name: string, result: ReconcileResult, seconds: number): void;
  /** Called once for each controller, with a function that reads how many keys wait for a worker. */
  queueDepth?(name: string, depth: () => number): void;
}

/** What a controller is made of. */
export interface ControllerOptions {
  name: string;
  /** Keys that are reconciled at the same time. The same key never is. */
  workers: number;
  /** Brings the world in line with the object under `key`, which may be gone. Throwing means trying again. */
  reconcile(key: Key, context: ReconcileContext): Promise<Outcome | void>;
  clock: Clock;
  log: Logger;
  metrics?: ControllerMetrics;
  rateLimit?: Partial<RateLimits>;
}

/** Reconciles the keys it is given, level-based (controller-runtime Controller). */
export class Controller {
  readonly name: string;
  readonly #o: ControllerOptions;
  readonly #queue: WorkQueue;

  constructor(o: ControllerOptions) {
    this.name = o.name;
    this.#o = o;
    this.#queue = new WorkQueue({ clock: o.clock, rateLimiter: controllerRateLimiter(o.clock, o.rateLimit) });
    o.metrics?.queueDepth?.(o.name, () => this.#queue.length);
  }

  /** Has `key` reconciled. Before `run` it waits. */
  enqueue(key: Key): void {
    this.#queue.add(key);
  }

  /** Has `key` reconciled in `ms` milliseconds, or before if that was asked for already. */
  enqueueAfter(key: Key, ms: number): void {
    this.#queue.addAfter(key, ms);
  }

  /** Works until `signal` aborts, and then resolves when every worker has put down what it had. Runs once. */
  async run(signal: AbortSignal): Promise<void> {
    const workers = Array.from({ length: this.#o.workers }, () => this.#work(signal));
    await aborted(signal);
    this.#queue.shutDown();
    await Promise.all(workers);
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (let key = await this.#queue.get(signal); key !== undefined; key = await this.#queue.get(signal)) {
      await this.#reconcile(key, signal);
      this.#queue.done(key);
    }
  }

  async #reconcile(key: Key, signal: AbortSignal): Promise<void> {
    const { name, clock, metrics } = this.#o;
    const reconcileId = randomUUID();
    const log = this.#o.log.child({ controller: name, key, reconcileId });
    const started = clock.monotonic();
    const ended = await this.#attempt(key, { log, reconcileId, signal });
    const result = this.#next(key, ended, { log, signal });
    if (result) {
      metrics?.observe(name, result, (clock.monotonic() - started) / 1000);
    }
  }

  async #attempt(key: Key, context: ReconcileContext): Promise<Ended> {
    try {
      return { failed: false, requeueAfter: (await this.#o.reconcile(key, context))?.requeueAfter ?? 0 };
    } catch (error) {
      return { failed: true, error, requeueAfter: 0 };
    }
  }

  /** Decides what happens to `key` next: the only place that does. */
  #next(
    key: Key,
    ended: Ended,
    { log, signal }: Pick<ReconcileContext, 'log' | 'signal'>,
  ): ReconcileResult | undefined {
    switch (true) {
      case ended.failed && signal.aborted:
        log.debug({ err: ended.error }, 'the reconcile was cut short, as the controller stops');
        return undefined;
      case ended.failed && ended.error instanceof TerminalError:
        log.error({ err: ended.error }, 'the reconcile failed for good');
        this.#queue.forget(key);
        return 'terminal';
      case ended.failed && retryAfterOf(ended.error) !== undefined:
        log.error({ err: ended.error }, 'the reconcile failed, trying again when the error says');
        this.#queue.addAfter(key, retryAfterOf(ended.error) ?? 0);
        return 'error';
      case ended.failed:
        log.error({ err: ended.error }, 'the reconcile failed, trying again');
        this.#queue.addRateLimited(key);
        return 'error';
      case ended.requeueAfter > 0:
        this.#queue.forget(key);
        this.#queue.addAfter(key, ended.requeueAfter);
        return 'requeue_after';
      default:
        this.#queue.forget(key);
        return 'success';
    }
  }
}

interface Ended {
  failed: boolean;
  error?: unknown;
  requeueAfter: number;
}
