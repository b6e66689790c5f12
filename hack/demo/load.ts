import { setTimeout as sleep } from 'node:timers/promises';
import { predict } from './service.ts';

const MAX_IN_FLIGHT = 64;

/** An open-loop load that ramps up; it ends with the signal, or when its time is over. */
export interface Ramp {
  /** Requests per second at the start and at the end. */
  from: number;
  to: number;
  seconds: number;
  /** Addresses to send to, in turns; asked for at every request. */
  addresses(): readonly string[];
  signal: AbortSignal;
}

/** Sends the load; gives how many requests were answered and how many failed or were left out because too many hung. */
export async function sendRamp({
  from,
  to,
  seconds,
  addresses,
  signal,
}: Ramp): Promise<{ answered: number; failed: number }> {
  const since = performance.now();
  const counts = { answered: 0, failed: 0 };
  let inFlight = 0;
  let due = 0;
  for (let sent = 0; !signal.aborted; sent += 1) {
    const elapsed = (performance.now() - since) / 1000;
    if (elapsed >= seconds) {
      break;
    }
    due += 1 / (from + ((to - from) * elapsed) / seconds);
    const targets = addresses();
    const address = targets[sent % targets.length];
    if (address === undefined || inFlight >= MAX_IN_FLIGHT) {
      counts.failed += 1;
    } else {
      inFlight += 1;
      predict(address, sent)
        .then(
          () => (counts.answered += 1),
          () => (counts.failed += 1),
        )
        .finally(() => (inFlight -= 1));
    }
    await sleep(Math.max(0, due * 1000 - (performance.now() - since)), undefined, { signal }).catch(() => undefined);
  }
  return counts;
}

/** Seconds that one request takes the service, alone: the median of a few. */
export async function secondsPerRequest(address: string): Promise<number> {
  const times: number[] = [];
  for (let seed = 0; seed < 20; seed += 1) {
    const since = performance.now();
    await predict(address, seed);
    times.push((performance.now() - since) / 1000);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}
