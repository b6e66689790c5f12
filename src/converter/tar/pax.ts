import { BadLayerError } from './errors.ts';

/** Reads the records of a PAX header (POSIX pax, "pax Header Block"); the last one of a key counts. */
export function decodePax(bytes: Buffer): [key: string, value: Buffer][] {
  const records: [string, Buffer][] = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = space === -1 ? Number.NaN : Number(bytes.toString('latin1', at, space));
    const equals = bytes.indexOf(0x3d, space);
    const end = at + length;
    if (!(length > 0 && end <= bytes.length && equals < end) || equals === -1 || bytes[end - 1] !== 0x0a) {
      throw new BadLayerError('its tar is broken: a PAX header has a record that is none. Push the image again');
    }
    records.push([bytes.toString('latin1', space + 1, equals), bytes.subarray(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

/** Writes records of a PAX header. */
export function encodePax(records: Iterable<readonly [key: string, value: Buffer]>): Buffer {
  const parts: Buffer[] = [];
  for (const [key, value] of records) {
    const rest = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), value, Buffer.from('\n')]);
    // The length counts its own digits.
    const guess = rest.length + String(rest.length).length;
    const length = rest.length + String(guess).length;
    parts.push(Buffer.from(String(length)), rest);
  }
  return Buffer.concat(parts);
}
