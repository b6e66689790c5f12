import type { Measurement } from './load.ts';

/**
 * Reads measurements from lines of `time,value`. A time is RFC 3339, `YYYY-MM-DD hh:mm:ss` (UTC) or a number of seconds; a
 * first line that is no measurement is a heading. A value that is no finite number is left out, as a gap.
 * @param from where the text is from, for errors
 * @throws Error naming the line that is neither, or whose time is not later than the one before
 */
export function parseCsv(text: string, from: string): Measurement[] {
  const measurements: Measurement[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') {
      continue;
    }
    const [time = '', value = ''] = line.split(',').map((field) => field.trim().replaceAll('"', ''));
    const at = timeOf(time);
    if (at === undefined) {
      if (i === 0) {
        continue;
      }
      throw new Error(`${from}, line ${i + 1}: ${JSON.stringify(line.slice(0, 80))} is not time,value`);
    }
    const before = measurements.at(-1);
    if (before !== undefined && at <= before.at) {
      throw new Error(`${from}, line ${i + 1}: ${time} is not later than the line before; sort the lines by time`);
    }
    const number = value === '' ? Number.NaN : Number(value);
    if (Number.isFinite(number)) {
      measurements.push({ at, value: number });
    }
  }
  if (measurements.length < 2) {
    throw new Error(`${from} has fewer than two measurements; give it lines of time,value`);
  }
  return measurements;
}

function timeOf(text: string): number | undefined {
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) {
    return Number(text) * 1000;
  }
  const utc = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?$/.test(text) ? `${text.replace(' ', 'T')}Z` : text;
  const at = /^\d{4}-/.test(utc) ? Date.parse(utc) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
