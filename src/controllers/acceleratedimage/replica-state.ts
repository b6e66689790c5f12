import type { ReplicaStatus } from './replication.ts';

const BACKOFF_MS = 30_000;
const BACKOFF_MAX_MS = 1_800_000;
const MESSAGE_MAX = 1024;

/** What became of a copy in one pass. */
export interface Step {
  status: ReplicaStatus;
  /** Milliseconds until there is something to look at again; absent where an interval will do. */
  afterMs?: number;
}

/** A copy that failed, and is to be made again: after 30 s, then after twice as long each time, up to half an hour. */
export function failed(known: ReplicaStatus, reason: string, message: string, now: Date): Step {
  const failures = (known.failures ?? 0) + 1;
  const afterMs = Math.min(BACKOFF_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
  return held({ ...known, failures }, reason, message, afterMs, now);
}

/** A copy that cannot be judged for now: it is looked at again, and not made again. */
export function held(known: ReplicaStatus, reason: string, message: string, afterMs: number, now: Date): Step {
  const { syncedAt: _, ...rest } = known;
  const retryAt = new Date(now.getTime() + afterMs).toISOString();
  return {
    status: { ...rest, state: 'Failed', reason, message: message.slice(0, MESSAGE_MAX), retryAt },
    afterMs,
  };
}

/** A copy that is verified. */
export function ready({ region, hash, image, digest, job }: ReplicaStatus, now: Date): Step {
  const syncedAt = now.toISOString();
  return { status: { region, hash, image, digest, state: 'Ready', ...(job === undefined ? {} : { job }), syncedAt } };
}

/** Milliseconds until a copy that failed may be tried again; zero where it may. */
export function due({ state, retryAt }: ReplicaStatus, now: Date): number {
  return state !== 'Failed' || retryAt === undefined ? 0 : Math.max(0, Date.parse(retryAt) - now.getTime());
}
