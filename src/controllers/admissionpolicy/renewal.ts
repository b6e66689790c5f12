import { isDeepStrictEqual } from 'node:util';
import type { RewriteTableSpec } from '../../api/v1alpha1/rewritetable.ts';

/** What to do about a table, and in how many milliseconds to look at it again. */
export interface Renewal {
  readonly write: boolean;
  readonly again: number;
}

/** A table is not looked at more often than this for the sake of time, in milliseconds. */
const SHORTEST_MS = 1000;

/**
 * Whether what is wanted has to be written over what is there. Mostly only times differ. They are written once an entry has
 * half of the time left that it could get, and then for all entries at once, so that a table is not written whenever one of its
 * images was confirmed. What is there is looked at again when half of its time is over: it is renewed, or it goes.
 */
export function renewal(current: RewriteTableSpec | undefined, wanted: RewriteTableSpec, now: Date): Renewal {
  const left = ({ validUntil }: { validUntil: string }): number => Date.parse(validUntil) - now.getTime();
  const write =
    current === undefined ||
    !isDeepStrictEqual(timeless(current), timeless(wanted)) ||
    Object.entries(wanted.images).some(([key, entry]) => {
      const written = current.images[key];
      return (
        written === undefined ||
        left(entry) < left(written) ||
        (left(entry) > left(written) && left(written) <= left(entry) / 2)
      );
    });
  const shortest = Math.min(...Object.values(write ? wanted.images : current.images).map(left));
  return { write, again: Math.max(SHORTEST_MS, shortest / 2) };
}

function timeless(spec: RewriteTableSpec): unknown {
  const images = Object.entries(spec.images).map(([key, entry]) => [key, { ...entry, validUntil: undefined }] as const);
  // As it comes back from the wire: without undefined.
  return JSON.parse(JSON.stringify({ ...spec, images: Object.fromEntries(images) }));
}
