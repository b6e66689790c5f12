import { statusOf } from './errors.ts';
import type { Clock } from './clock.ts';
import type { LeaseLock, LeaseRecord } from './leader-election.ts';

/** A lease that was taken from its leader: while it is held, nobody leads. */
export interface SeizedLease {
  /** Has it held for as long again. @throws a conflict when somebody else has written since: then somebody may lead. */
  renew(signal: AbortSignal): Promise<void>;
}

export interface SeizeOptions {
  lock: LeaseLock;
  /** Who has it, for people. */
  identity: string;
  /** How long after each write nobody leads; afterwards any candidate may, so that nothing needs to be put right. */
  holdSeconds: number;
  clock: Clock;
}

/**
 * Takes the lease from whoever has it. A leader cannot renew it any more, and gives up within the duration that it wrote itself,
 * which is waited for as any candidate would: when this resolves, nobody leads.
 */
export async function seizeLease(o: SeizeOptions, signal: AbortSignal): Promise<SeizedLease> {
  const { lock, identity, holdSeconds, clock } = o;
  const record = (leaseTransitions: number): LeaseRecord => ({
    holderIdentity: identity,
    leaseDurationSeconds: holdSeconds,
    acquireTime: clock.now(),
    renewTime: clock.now(),
    leaseTransitions,
  });
  const previous = await take(lock, record, signal);
  const transitions = (previous?.leaseTransitions ?? -1) + 1;
  if (previous !== undefined && previous.holderIdentity !== '') {
    await clock.sleep(previous.leaseDurationSeconds * 1000, signal);
  }
  return { renew: async (bounded) => void (await lock.update(record(transitions), bounded)) };
}

/** Writes the record, however often a leader renews meanwhile. @returns what it replaced */
async function take(
  lock: LeaseLock,
  record: (transitions: number) => LeaseRecord,
  signal: AbortSignal,
): Promise<LeaseRecord | undefined> {
  for (;;) {
    const found = await lock.get(signal);
    try {
      await (found === undefined
        ? lock.create(record(0), signal)
        : lock.update(record(found.leaseTransitions + 1), signal));
      return found;
    } catch (error) {
      if (statusOf(error) !== 409) {
        throw error;
      }
    }
  }
}
