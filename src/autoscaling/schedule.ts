import { Cron } from 'croner';
import { durationMs } from '../api/v1alpha1/duration.ts';
import type { Schedule } from '../api/v1alpha1/prefetchpolicy.ts';
import type { Sign } from './sign.ts';

/** A schedule that can never be followed: no cron expression, no time zone, or no such day. */
export class ScheduleError extends Error {
  override name = 'ScheduleError';
}

/** What a schedule says at a moment. */
export interface ScheduleState {
  /** There while the time that it names is at most its lead away. */
  readonly sign: Sign | undefined;
  /** When it is to be looked at next. */
  readonly next: Date;
}

/**
 * Looks at a schedule. In the hour that daylight saving skips a time is moved to the next that there is, and in the one that it
 * repeats a time counts once.
 * @throws ScheduleError saying what is wrong with it
 */
export function lookAtSchedule(
  { cron, timeZone, lead, replicas }: Schedule,
  { currentReplicas, maxReplicas }: { currentReplicas: number; maxReplicas: number },
  now: Date,
): ScheduleState {
  const runs = nextRuns(cron, timeZone, now);
  const leadMs = durationMs(lead) ?? 0;
  const [first] = runs;
  const starts = runs.map((run) => new Date(run.getTime() - leadMs));
  const next = starts.find((start) => start > now) ?? runs.at(-1) ?? first;
  if (now.getTime() < first.getTime() - leadMs) {
    return { sign: undefined, next };
  }
  const expectedReplicas = Math.min(maxReplicas, replicas ?? currentReplicas + 1);
  const sign: Sign = {
    trigger: 'Schedule',
    reason: 'TimeNear',
    message: `${replicas ?? 'more'} replicas are scheduled for ${first.toISOString()} (${cron} in ${timeZone})`,
    currentReplicas,
    expectedReplicas,
    expectedBy: first,
  };
  return { sign: expectedReplicas > currentReplicas ? sign : undefined, next };
}

/** The next two times of a cron expression, of which one may be near and the other is the next to wait for. */
function nextRuns(cron: string, timeZone: string, now: Date): [Date, ...Date[]] {
  let runs: Date[];
  try {
    runs = new Cron(cron, { timezone: timeZone, mode: '5-part' }).nextRuns(2, now);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new ScheduleError(`schedule ${JSON.stringify(cron)} in ${timeZone}: ${said}`, { cause: error });
  }
  const [first, ...rest] = runs;
  if (first === undefined) {
    throw new ScheduleError(`schedule ${JSON.stringify(cron)} never comes: there is no such day`);
  }
  return [first, ...rest];
}
