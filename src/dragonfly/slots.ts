import type { Clock } from './clock.ts';

/** So many may go before one that waits for a pool that is full; then places are kept for it. */
const MAY_PASS = 8;
/** How far ahead of its arrival a need counts at most, so that nobody waits behind those who come after that. */
const MOST_AHEAD_MS = 600_000;

export interface SlotRequest {
  /** A place in each of these is taken. */
  readonly pools: readonly string[];
  /** When it is needed, in milliseconds since the epoch; looked at whenever a place comes free, so it may change. */
  readonly neededAt: () => number;
  /** Goes first among those that are needed at the same time: the smaller. */
  readonly turn: number;
}

/** Bounds what goes on at once, and lets go first what is needed first. */
export interface Slots {
  /**
   * Waits for a place in every pool, and holds it until it is disposed of.
   *
   * Of those that wait, what is needed first goes first; who waits for a pool that is full keeps nobody from going who needs
   * none of it. Nobody starves: needs are moments, so that waiting makes each the most urgent, and once a few have gone before
   * one that needs several pools, a place in each of them is kept for it.
   * @throws the signal's reason
   */
  acquire(request: SlotRequest, signal: AbortSignal): Promise<Disposable>;
}

interface Waiting {
  readonly request: SlotRequest;
  readonly latest: number;
  readonly go: () => void;
  /** How many have gone that came after it in order. */
  passed: number;
}

/**
 * Makes the places of a provider.
 * @param limitOf how many places a pool has; at least one
 */
export function createSlots(limitOf: (pool: string) => number, clock: Clock): Slots {
  const taken = new Map<string, number>();
  let waiting: Waiting[] = [];

  function hasRoom(pool: string, kept: ReadonlySet<string>): boolean {
    return (taken.get(pool) ?? 0) + (kept.has(pool) ? 1 : 0) < limitOf(pool);
  }

  function take({ pools }: SlotRequest, count: 1 | -1): void {
    for (const pool of pools) {
      const now = (taken.get(pool) ?? 0) + count;
      if (now === 0) {
        taken.delete(pool);
      } else {
        taken.set(pool, now);
      }
    }
  }

  function letGo(): void {
    let kept: ReadonlySet<string> = new Set();
    const blocked: Waiting[] = [];
    for (const each of inOrder(waiting)) {
      if (each.request.pools.every((pool) => hasRoom(pool, kept))) {
        waiting = waiting.filter((other) => other !== each);
        take(each.request, 1);
        each.go();
        for (const other of blocked) {
          other.passed += 1;
        }
      } else {
        blocked.push(each);
        kept = kept.size === 0 && each.passed >= MAY_PASS ? new Set(each.request.pools) : kept;
      }
    }
  }

  function place(request: SlotRequest): Disposable {
    let held = true;
    return {
      [Symbol.dispose]() {
        if (held) {
          held = false;
          take(request, -1);
          letGo();
        }
      },
    };
  }

  return {
    async acquire(request, signal) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
      const entry: Waiting = {
        request,
        passed: 0,
        latest: clock.now().getTime() + MOST_AHEAD_MS,
        go: () => {
          signal.removeEventListener('abort', leave);
          resolve(place(request));
        },
      };
      const leave = (): void => {
        waiting = waiting.filter((other) => other !== entry);
        reject(signal.reason as Error);
        // A place may have been kept for it.
        letGo();
      };
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(entry);
      letGo();
      return await promise;
    },
  };
}

function inOrder(waiting: readonly Waiting[]): Waiting[] {
  const need = ({ request, latest }: Waiting): number => Math.min(request.neededAt(), latest);
  return waiting.toSorted((a, b) => need(a) - need(b) || a.request.turn - b.request.turn);
}
