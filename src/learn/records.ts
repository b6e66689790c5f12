import { z } from 'zod';
import { parseJson } from './json.ts';

/** How nydusd saw a file being read. What the kernel had in its memory already is no read to nydusd. */
export interface AccessRecord {
  readonly inode: number;
  /** Requests of the kernel, of up to 128 KiB as a rule. */
  readonly reads: number;
  /** Time of the first, in milliseconds since the epoch; exact to the microsecond. */
  readonly firstRead: number;
}

const Count = z.int().nonnegative();

/** `AccessPattern` of nydus utils/src/metrics.rs: files that were read, in no order. */
const Pattern = z.array(
  z.object({
    ino: Count,
    nr_read: Count,
    first_access_time_secs: Count,
    first_access_time_nanos: Count,
  }),
);

/**
 * Parses what nydusd answers to `GET /api/v1/metrics/pattern`, earliest first.
 * @param from where the text is from, for the error
 * @throws Error where it is something else
 */
export function parseRecords(text: string, from: string): AccessRecord[] {
  const pattern = Pattern.safeParse(parseJson(text));
  if (!pattern.success) {
    throw new Error(`${from} holds no access records: give nydusd's answer to GET /api/v1/metrics/pattern`);
  }
  return pattern.data
    .map(({ ino, nr_read, first_access_time_secs, first_access_time_nanos }) => ({
      inode: ino,
      reads: nr_read,
      firstRead: first_access_time_secs * 1000 + first_access_time_nanos / 1e6,
    }))
    .toSorted((left, right) => left.firstRead - right.firstRead || left.inode - right.inode);
}
