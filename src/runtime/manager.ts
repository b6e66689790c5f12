import type { Logger } from 'pino';
import { abortable, aborted, follow } from './abort.ts';
import type { Clock } from './clock.ts';
import type { LeaderElector } from './leader-election.ts';

/**
 * What a runnable is for, which says when it starts and stops: `http` serves health and metrics, `cache` fills what the
 * others read, `webhook` serves on every replica, `always` runs on every replica, `leader` only on the one with the lease.
 */
export type Group = 'http' | 'webhook' | 'cache' | 'always' | 'leader';

/** A long task. */
export interface Runnable {
  name: string;
  /** Works until `signal` aborts, then cleans up and resolves. Ending before that ends the manager. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when what comes after it may start. At once when left out. */
  ready?(signal: AbortSignal): Promise<void>;
}

/** What a manager is made of. */
export interface ManagerOptions {
  clock: Clock;
  log: Logger;
  /** Without one, this process takes itself for the leader. */
  elector?: LeaderElector;
  /** How long all of stopping may take, in milliseconds: a bit less than the grace period of the Pod. 25 s. */
  stopTimeout?: number;
}

const START_ORDER: readonly Group[] = ['http', 'cache', 'webhook', 'always'];
/** The leader's work ends first, so that the next one can begin; what answers requests ends last. */
const STOP_ORDER: readonly Group[] = ['leader', 'always', 'cache', 'webhook', 'http'];

interface Tasks {
  runnables: Runnable[];
  running: Map<Runnable, Promise<void>>;
  stop: AbortController;
}

function tasks(): Tasks {
  return { runnables: [], running: new Map(), stop: new AbortController() };
}

/** Starts and stops the parts of the process in a fixed order (controller-runtime Manager). */
export class Manager {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #elector: LeaderElector | undefined;
  readonly #stopTimeout: number;
  readonly #groups: Record<Group, Tasks> = {
    http: tasks(),
    webhook: tasks(),
    cache: tasks(),
    always: tasks(),
    leader: tasks(),
  };
  readonly #ending = new AbortController();
  readonly #candidacy = new AbortController();
  #election: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | undefined;
  #started = false;
  #ready = false;

  constructor({ clock, log, elector, stopTimeout = 25_000 }: ManagerOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#elector = elector;
    this.#stopTimeout = stopTimeout;
  }

  /** Whether this replica can serve: all groups but `leader` are ready, and it is not stopping. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Adds `runnable` to `group`. Only before `start`. */
  add(group: Group, runnable: Runnable): void {
    if (this.#started) {
      throw new Error(`${runnable.name} was added after the manager had started`);
    }
    this.#groups[group].runnables.push(runnable);
  }

  /**
   * Runs everything until `signal` aborts, then stops it and resolves. Rejects, after stopping, with the error of the first
   * runnable that failed or ended by itself, with LostLeaseError when the lease was lost, or when something did not stop in
   * time. In the last case the process must exit: work may still be going on, and the lease is not given up before that.
   */
  async start(signal: AbortSignal): Promise<void> {
    this.#started = true;
    const unfollow = follow(this.#ending, signal);
    try {
      for (const group of START_ORDER) {
        await this.#startGroup(group);
      }
      this.#ready = true;
      this.#log.info('ready');
      this.#election = this.#lead();
      await aborted(this.#ending.signal);
    } catch (error) {
      this.#fail(error);
    }
    unfollow();
    this.#ready = false;
    this.#log.info('stopping');
    const stuck = await this.#stop();
    if (stuck.length > 0 && this.#failure) {
      this.#log.error({ stuck }, 'not everything stopped in time');
    }
    if (stuck.length > 0) {
      this.#fail(new Error(`not stopped within ${this.#stopTimeout / 1000} s: ${stuck.join(', ')}`));
    }
    if (this.#failure) {
      throw this.#failure.error;
    }
  }

  async #startGroup(group: Group): Promise<void> {
    const { runnables, running, stop } = this.#groups[group];
    this.#ending.signal.throwIfAborted();
    for (const runnable of runnables) {
      running.set(
        runnable,
        this.#run(runnable, stop.signal).finally(() => running.delete(runnable)),
      );
    }
    await abortable(Promise.all(runnables.map(async (runnable) => runnable.ready?.(stop.signal))), this.#ending.signal);
  }

  async #run(runnable: Runnable, signal: AbortSignal): Promise<void> {
    try {
      await runnable.run(signal);
      if (!signal.aborted) {
        this.#fail(new Error(`${runnable.name} ended by itself`));
      }
    } catch (error) {
      if (!signal.aborted) {
        this.#fail(error);
      } else if (error !== signal.reason) {
        this.#log.error({ err: error, runnable: runnable.name }, 'failed while it stopped');
      }
    }
  }

  async #lead(): Promise<void> {
    const startLeaders = (): Promise<void> => this.#startGroup('leader').catch((error: unknown) => this.#fail(error));
    if (!this.#elector) {
      await startLeaders();
      return;
    }
    try {
      await this.#elector.run(this.#candidacy.signal, { onStartedLeading: () => void startLeaders() });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends the manager with `error`. Once it is ending, what fails is only a consequence. */
  #fail(error: unknown): void {
    if (error === this.#ending.signal.reason) {
      return;
    }
    this.#failure ??= { error };
    this.#ending.abort(error);
  }

  /** Stops group after group; the names of what has not ended when the time was up. */
  async #stop(): Promise<string[]> {
    const overtime = new AbortController();
    const timer = this.#clock.after(this.#stopTimeout, () => overtime.abort());
    const ended = (work: Promise<unknown>): Promise<unknown> => abortable(work, overtime.signal).catch(() => undefined);
    for (const group of STOP_ORDER) {
      const { running, stop } = this.#groups[group];
      stop.abort();
      await ended(Promise.all(running.values()));
      if (group === 'leader' && running.size === 0) {
        // Only now nobody works under the lease any more.
        this.#candidacy.abort();
        await ended(this.#election);
      }
    }
    timer.cancel();
    return STOP_ORDER.flatMap((group) => [...this.#groups[group].running.keys()].map(({ name }) => name));
  }
}
