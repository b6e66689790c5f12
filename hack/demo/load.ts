import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { predict } from './service.ts';

const MAX_IN_FLIGHT = 64;
const SAMPLES = 20;
/** What the command line of the service's processes holds. */
const SERVICE = '/opt/inference/app.py';
/** USER_HZ, which is 100 on every Linux platform that Kubernetes runs on. */
const TICKS_PER_SECOND = 100;

/** An open-loop load that ramps up; it ends with the signal, or when its time is over. */
export interface Ramp {
  /** Requests per second at the start and at the end. */
  from: number;
  to: number;
  seconds: number;
  /** Addresses to send to, in turns; asked for at every request. */
  addresses: () => readonly string[];
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

/**
 * CPU seconds that one request costs the service, told from what its processes have used before and after a few. How long
 * an answer takes says nothing of that on a busy machine.
 */
export async function cpuSecondsPerRequest(address: string): Promise<number> {
  const before = await cpuSeconds();
  for (let seed = 0; seed < SAMPLES; seed += 1) {
    await predict(address, seed);
  }
  return ((await cpuSeconds()) - before) / SAMPLES;
}

/** CPU seconds that all processes of the service have used so far (proc(5), stat: utime and stime). */
async function cpuSeconds(): Promise<number> {
  let ticks = 0;
  for (const pid of await readdir('/proc')) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(SERVICE)) {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const [utime, stime] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number);
      ticks += (utime ?? 0) + (stime ?? 0);
    }
  }
  return ticks / TICKS_PER_SECOND;
}
