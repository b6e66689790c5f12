/** Milliseconds that a time of whole seconds may have been rounded down by, against one that was as well. */
const SECOND_MS = 1000;

/** A point in time. */
export interface Instant {
  /** Milliseconds since the epoch. */
  readonly ms: number;
  /** Kubernetes recorded it in whole seconds, rounded down: the truth is up to a second later. */
  readonly whole: boolean;
}

/** A time in RFC 3339 as an object holds it; undefined where there is none, or what is there is no time. */
export function recorded(text: string | null | undefined): Instant | undefined {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? undefined : { ms, whole: !/\.[0-9]+/.test(text ?? '') };
}

/** When something was seen to happen, by the clock of who saw it. */
export function seenAt(now: Date): Instant {
  return { ms: now.getTime(), whole: false };
}

/**
 * Puts a time that was rounded down behind what it cannot have come before, if rounding explains it. What lies further
 * back was recorded by another clock, and is left as it is.
 */
export function notBefore(instant: Instant, earlier: Instant | undefined): Instant {
  const behind = earlier === undefined ? 0 : earlier.ms - instant.ms;
  return instant.whole && behind > 0 && behind <= SECOND_MS ? { ms: instant.ms + behind, whole: true } : instant;
}

/** Seconds from one time to another, negative if that came first; undefined if one is not known. */
export function secondsBetween(from: Instant | undefined, to: Instant | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : (to.ms - from.ms) / 1000;
}

/** The first of several times; undefined if there is none. */
export function firstOf(instants: readonly (Instant | undefined)[]): Instant | undefined {
  return ordered(instants)[0];
}

/** The last of several times; undefined if there is none. */
export function lastOf(instants: readonly (Instant | undefined)[]): Instant | undefined {
  return ordered(instants).at(-1);
}

function ordered(instants: readonly (Instant | undefined)[]): readonly Instant[] {
  return instants.filter((instant) => instant !== undefined).toSorted((a, b) => a.ms - b.ms);
}
