/** Who wants a piece of work done. */
export interface Passenger<Progress> {
  readonly signal: AbortSignal;
  /** When it is needed, in milliseconds since the epoch. */
  readonly neededAt: number;
  /** What the work may fail for besides what it is, such as credentials. Kept while the work lasts, and never shown. */
  readonly means: string;
  readonly onProgress: (progress: Progress) => void;
}

/** Work that goes on for all who want it. */
export interface Flight<Progress> {
  /** Aborts when nobody wants it any more. */
  readonly signal: AbortSignal;
  /** When the most urgent of those who want it needs it. */
  readonly neededAt: () => number;
  readonly report: (progress: Progress) => void;
}

/** Does the same work once for all who want it at the same time. */
export interface Flights<Progress> {
  /**
   * Joins the work that goes on under this key, or starts it. It ends when it is done, or when the last who wanted it has gone;
   * one who goes ends it for nobody else. Work that failed by the means of another is started again with the caller's own.
   * @throws what the work throws, or the signal's reason
   */
  join(key: string, passenger: Passenger<Progress>, work: (flight: Flight<Progress>) => Promise<void>): Promise<void>;
}

interface InFlight<Progress> {
  readonly passengers: Set<Passenger<Progress>>;
  readonly over: AbortController;
  readonly means: string;
  last: Progress | undefined;
  done: Promise<void>;
}

/** Makes {@link Flights} in which nothing goes on yet. */
export function createFlights<Progress>(): Flights<Progress> {
  const flights = new Map<string, InFlight<Progress>>();

  function end(key: string, flight: InFlight<Progress>): void {
    if (flights.get(key) === flight) {
      flights.delete(key);
    }
  }

  function start(
    key: string,
    passenger: Passenger<Progress>,
    work: (flight: Flight<Progress>) => Promise<void>,
  ): InFlight<Progress> {
    const flight: InFlight<Progress> = {
      passengers: new Set([passenger]),
      over: new AbortController(),
      means: passenger.means,
      last: undefined,
      done: Promise.resolve(),
    };
    flights.set(key, flight);
    flight.done = work({
      signal: flight.over.signal,
      neededAt: () => Math.min(...[...flight.passengers].map(({ neededAt }) => neededAt)),
      report(progress) {
        flight.last = progress;
        for (const { onProgress } of flight.passengers) {
          onProgress(progress);
        }
      },
    }).finally(() => end(key, flight));
    // Everybody may have gone when it fails.
    flight.done.catch(() => undefined);
    return flight;
  }

  return {
    async join(key, passenger, work) {
      for (;;) {
        passenger.signal.throwIfAborted();
        const joined = flights.get(key);
        if (joined !== undefined) {
          joined.passengers.add(passenger);
          if (joined.last !== undefined) {
            passenger.onProgress(joined.last);
          }
        }
        const flight = joined ?? start(key, passenger, work);
        try {
          await unlessAborted(flight.done, passenger.signal);
          return;
        } catch (error) {
          if (passenger.signal.aborted || flight.means === passenger.means) {
            throw error;
          }
        } finally {
          flight.passengers.delete(passenger);
          if (flight.passengers.size === 0) {
            end(key, flight);
            flight.over.abort(passenger.signal.reason);
          }
        }
      }
    },
  };
}

/** Settles as the promise does, or rejects with the signal's reason, whichever comes first. */
async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
