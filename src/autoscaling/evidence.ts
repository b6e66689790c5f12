import { durationMs, formatSeconds } from '../api/v1alpha1/duration.ts';
import type { Decision, Evidence } from '../api/v1alpha1/prefetchpolicy.ts';
import { quantile } from './quantile.ts';

/** Evidence of nothing yet. */
export function firstEvidence(now: Date): Evidence {
  return { since: now.toISOString(), scaleOuts: 0, warmedBefore: 0, foreseen: 0, falseAlarms: 0, wastedBytes: 0 };
}

/** Decisions whose outcome became known from one pass to the next, oldest first. Both lists are newest first. */
export function newlySettled(before: readonly Decision[], after: readonly Decision[]): Decision[] {
  const known = new Set(before.filter(({ outcome }) => outcome !== undefined).map(({ at }) => at));
  return after.filter(({ at, outcome }) => outcome !== undefined && !known.has(at)).toReversed();
}

/**
 * Adds to the evidence what became known from one pass to the next. Scale-outs that follow one another within the cooldown
 * count as one, and one that was decided in its very round is foreseen by nobody.
 * @param before the decisions as they were, newest first
 * @param after the same and new ones, as they are, newest first
 */
export function addEvidence(
  evidence: Evidence,
  before: readonly Decision[],
  after: readonly Decision[],
  cooldownMs: number,
): Evidence {
  const settled = newlySettled(before, after);
  const counted = before.filter(({ outcome }) => outcome !== undefined).flatMap(scaleOutOf);
  const sum = { ...evidence, ...percentiles(after) };
  for (const decision of settled) {
    sum.foreseen += Number(decision.outcome === 'Foreseen');
    if (decision.outcome === 'FalseAlarm') {
      sum.falseAlarms++;
      sum.wastedBytes += decision.bytes ?? 0;
    }
    const [at] = scaleOutOf(decision);
    if (at !== undefined && !counted.some((other) => Math.abs(at - other) < cooldownMs)) {
      sum.scaleOuts++;
      sum.warmedBefore += Number(isWarmedBefore(decision));
    }
    counted.push(...scaleOutOf(decision));
  }
  return sum;
}

/** Whether what new Pods read was verified warm when the autoscaler scaled out. */
export function isWarmedBefore({ leadTime = '-' }: Decision): boolean {
  return !leadTime.startsWith('-');
}

function scaleOutOf({ scaledAt }: Decision): number[] {
  return scaledAt === undefined ? [] : [new Date(scaledAt).getTime()];
}

function percentiles(decisions: readonly Decision[]): Pick<Evidence, 'leadTimeP50' | 'leadTimeP10' | 'noticeP50'> {
  const leads = decisions.flatMap(({ leadTime }) => signedMs(leadTime));
  const notices = decisions.flatMap(({ notice }) => signedMs(notice));
  const shown = (values: readonly number[], q: number): string | undefined => {
    const ms = quantile(values, q);
    return ms === undefined ? undefined : formatSeconds(ms);
  };
  return { leadTimeP50: shown(leads, 0.5), leadTimeP10: shown(leads, 0.1), noticeP50: shown(notices, 0.5) };
}

/** Milliseconds of what {@link formatSeconds} wrote. */
function signedMs(text: string | undefined): number[] {
  const ms = text === undefined ? undefined : durationMs(text.replace('-', ''));
  return ms === undefined ? [] : [text?.startsWith('-') === true ? -ms : ms];
}
