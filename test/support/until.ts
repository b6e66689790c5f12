import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 50;
/** Long enough for the slowest program on the slowest machine; only a failure takes it. */
const LONGEST_MS = 60_000;

/** Waits until a condition holds; a condition that throws does not hold yet. Throws what it last threw when it never does. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + LONGEST_MS;
  let cause: unknown;
  while (performance.now() < end) {
    try {
      if (await holds()) {
        return;
      }
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await delay(PAUSE_MS);
  }
  throw new Error(`gave up waiting until ${what}`, { cause });
}
