import { durationMs } from '../api/v1alpha1/duration.ts';

/**
 * Milliseconds of a Go duration such as `1h30m`, in the subset that the API schema admits.
 * @throws RangeError for anything else.
 */
export function parseDuration(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) {
    throw new RangeError(`not a duration: ${JSON.stringify(text)}`);
  }
  return ms;
}
