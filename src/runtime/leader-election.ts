import type { Logger } from 'pino';
import { abortable, withDeadline } from './abort.ts';
import type { Clock } from './clock.ts';
import { statusOf } from './errors.ts';

/** Who leads, as it stands in the lock (coordination.k8s.io/v1 LeaseSpec). */
export interface LeaseRecord {
  /** Empty when nobody holds the lease. */
  holderIdentity: string;
  leaseDurationSeconds: number;
  acquireTime: Date;
  renewTime: Date;
  leaseTransitions: number;
}

/**
 * A lock that candidates share (client-go resourcelock.Interface). `update` replaces what the last call of this lock saw or
 * wrote, and throws an error with `code` 409 when somebody else has written since.
 */
export interface LeaseLock {
  /** Undefined when there is no such lock yet. */
  get(signal: AbortSignal): Promise<LeaseRecord | undefined>;
  create(record: LeaseRecord, signal: AbortSignal): Promise<unknown>;
  update(record: LeaseRecord, signal: AbortSignal): Promise<unknown>;
}

/** What a candidate is made of. Times are in milliseconds. */
export interface LeaderElectorOptions {
  lock: LeaseLock;
  /** Tells this process from every other one, also from its own last run. */
  identity: string;
  clock: Clock;
  log: Logger;
  /** How long the others wait for a sign of the leader. 15 s. */
  leaseDuration?: number;
  /** How long the leader tries to renew before it gives up. 10 s. */
  renewDeadline?: number;
  /** Between two tries. 2 s. */
  retryPeriod?: number;
}

/** What happens on gaining and losing the lease. */
export interface LeaderCallbacks {
  /** Called once, on becoming the leader. `signal` aborts when that ends. */
  onStartedLeading(signal: AbortSignal): void;
  /** Called once, if it has led, when it does not any more. */
  onStoppedLeading?(): void;
}

/** The lease was not renewed in time: another process may lead by now, so this one must end. */
export class LostLeaseError extends Error {
  override readonly name = 'LostLeaseError';
}

const JITTER_FACTOR = 1.2;

/**
 * A candidate for leadership (client-go LeaderElector). The age of a record is measured from when this process saw it
 * change, never from the times in it, so clocks that differ between nodes do no harm.
 */
export class LeaderElector {
  readonly #o: Required<LeaderElectorOptions>;
  #observed: LeaseRecord | undefined;
  #observedAt = 0;
  #leading = false;

  /** @throws Error unless leaseDuration > renewDeadline > 1.2 × retryPeriod > 0, or without an identity */
  constructor(o: LeaderElectorOptions) {
    this.#o = { leaseDuration: 15_000, renewDeadline: 10_000, retryPeriod: 2_000, ...o };
    const { leaseDuration, renewDeadline, retryPeriod, identity } = this.#o;
    if (!(leaseDuration > renewDeadline && renewDeadline > JITTER_FACTOR * retryPeriod && retryPeriod > 0)) {
      throw new Error(
        `leader election needs leaseDuration > renewDeadline > ${JITTER_FACTOR} * retryPeriod > 0, ` +
          `but they are ${leaseDuration} ms, ${renewDeadline} ms and ${retryPeriod} ms`,
      );
    }
    if (identity === '') {
      throw new Error('leader election needs an identity that no other replica has');
    }
  }

  /** Whether this process leads now. */
  get isLeader(): boolean {
    return this.#leading;
  }

  /** The identity in the lock when it was last seen; empty when nobody held it. For people, not for decisions. */
  get leader(): string {
    return this.#observed?.holderIdentity ?? '';
  }

  /**
   * Waits for the lease, then holds it. When `signal` aborts the lease is given up, for the next leader to start at once, and
   * this resolves: abort only after the work that the lease guards has ended. Rejects with LostLeaseError, keeping off the
   * lock, when the lease could not be renewed.
   */
  async run(signal: AbortSignal, callbacks: LeaderCallbacks): Promise<void> {
    if (!(await this.#acquire(signal))) {
      return;
    }
    const { identity, log } = this.#o;
    log.info({ identity }, 'became leader');
    const leading = new AbortController();
    this.#leading = true;
    try {
      callbacks.onStartedLeading(leading.signal);
      await this.#renew(signal);
    } finally {
      this.#leading = false;
      leading.abort();
      callbacks.onStoppedLeading?.();
    }
    await this.#release();
    log.info({ identity }, 'stopped leading');
  }

  async #acquire(signal: AbortSignal): Promise<boolean> {
    const { retryPeriod, renewDeadline } = this.#o;
    while (!signal.aborted) {
      if (await this.#within(renewDeadline, signal, (bounded) => this.#tryAcquireOrRenew(bounded))) {
        return true;
      }
      await this.#pause(retryPeriod * (1 + Math.random() * JITTER_FACTOR), signal);
    }
    return false;
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { identity, retryPeriod, renewDeadline } = this.#o;
    while (!signal.aborted) {
      const renewed = await this.#within(renewDeadline, signal, async (bounded) => {
        while (!(await this.#tryAcquireOrRenew(bounded))) {
          await this.#o.clock.sleep(retryPeriod, bounded);
        }
        return true;
      });
      if (!renewed && !signal.aborted) {
        throw new LostLeaseError(`${identity} could not renew the leader lease within ${renewDeadline / 1000} s`);
      }
      await this.#pause(retryPeriod, signal);
    }
  }

  /** What `attempt` says; false when it takes longer than `ms` or `signal` aborts. */
  async #within(
    ms: number,
    signal: AbortSignal,
    attempt: (bounded: AbortSignal) => Promise<boolean>,
  ): Promise<boolean> {
    try {
      return await withDeadline({ clock: this.#o.clock, ms, what: 'a try at the leader lease', signal }, attempt);
    } catch (error) {
      if (!signal.aborted) {
        this.#o.log.warn({ err: error }, 'the leader lease could not be reached');
      }
      return false;
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#o.clock.sleep(ms, signal).catch(() => undefined);
  }

  /** One try; true when this process holds the lease afterwards. Rejects only when `signal` aborts. */
  async #tryAcquireOrRenew(signal: AbortSignal): Promise<boolean> {
    try {
      // Fast path: the leader need not read what nobody else should have written.
      if (
        this.#observed &&
        this.#isHolder() &&
        this.#isLeaseValid() &&
        (await this.#tryUpdate(this.#observed, signal))
      ) {
        return true;
      }
      const found = await abortable(this.#o.lock.get(signal), signal);
      if (!found) {
        await this.#write('create', this.#record(undefined), signal);
        return true;
      }
      this.#observe(found);
      if (found.holderIdentity !== '' && !this.#isHolder() && this.#isLeaseValid()) {
        return false;
      }
      await this.#write('update', this.#record(found), signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      this.#o.log.warn({ err: error }, 'failed to acquire or renew the leader lease');
      return false;
    }
  }

  async #tryUpdate(held: LeaseRecord, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#write('update', this.#record(held), signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      this.#o.log.debug({ err: error }, 'the lease changed under the leader, reading it again');
      return false;
    }
  }

  async #write(verb: 'create' | 'update', record: LeaseRecord, signal: AbortSignal): Promise<void> {
    await abortable(this.#o.lock[verb](record, signal), signal);
    this.#setObserved(record);
  }

  /** The record that makes or keeps this process the leader after `previous`. */
  #record(previous: LeaseRecord | undefined): LeaseRecord {
    const { identity, leaseDuration, clock } = this.#o;
    const now = clock.now();
    const held = previous?.holderIdentity === identity ? previous : undefined;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDuration / 1000),
      acquireTime: held?.acquireTime ?? now,
      renewTime: now,
      leaseTransitions: held?.leaseTransitions ?? (previous ? previous.leaseTransitions + 1 : 0),
    };
  }

  #observe(found: LeaseRecord): void {
    if (JSON.stringify(found) !== JSON.stringify(this.#observed)) {
      this.#setObserved(found);
    }
  }

  #setObserved(record: LeaseRecord): void {
    this.#observed = record;
    this.#observedAt = this.#o.clock.monotonic();
  }

  #isHolder(): boolean {
    return this.#observed?.holderIdentity === this.#o.identity;
  }

  #isLeaseValid(): boolean {
    const seconds = this.#observed?.leaseDurationSeconds ?? 0;
    return this.#observedAt + seconds * 1000 > this.#o.clock.monotonic();
  }

  /** Gives the lease up if it is still held; a renewal that was under way may have changed it, so it is read first. */
  async #release(): Promise<void> {
    const { lock, clock, renewDeadline } = this.#o;
    await this.#within(renewDeadline, new AbortController().signal, async (bounded) => {
      for (;;) {
        const found = await lock.get(bounded);
        if (!found || found.holderIdentity !== this.#o.identity) {
          return false;
        }
        const now = clock.now();
        const { leaseTransitions } = found;
        const released = {
          holderIdentity: '',
          leaseDurationSeconds: 1,
          acquireTime: now,
          renewTime: now,
          leaseTransitions,
        };
        try {
          await lock.update(released, bounded);
          this.#setObserved(released);
          return true;
        } catch (error) {
          if (statusOf(error) !== 409) {
            throw error;
          }
        }
      }
    });
  }
}
