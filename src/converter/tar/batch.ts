/** Bytes that are handed on at a time at least, but at the end. */
const ENOUGH = 64 * 1024;

/** Parts of a stream on their way: small ones leave together, since each costs a turn of the stream, and big ones as they are, since copying costs more. */
export interface Batch {
  push(...parts: Buffer[]): void;
  /** Whether there is enough to hand on. */
  isFull(): boolean;
  /** What there is. */
  take(): Buffer[];
}

/** A batch of nothing so far. */
export function batch(): Batch {
  let parts: Buffer[] = [];
  let length = 0;
  return {
    push(...more) {
      for (const part of more) {
        parts.push(part);
        length += part.length;
      }
    },
    isFull: () => length >= ENOUGH,
    take() {
      const taken = joined(parts);
      [parts, length] = [[], 0];
      return taken;
    },
  };
}

function joined(parts: readonly Buffer[]): Buffer[] {
  const big = parts.findIndex(({ length }) => length >= ENOUGH);
  if (big === -1) {
    return parts.length < 2 ? [...parts] : [Buffer.concat(parts)];
  }
  return [...joined(parts.slice(0, big)), ...parts.slice(big, big + 1), ...joined(parts.slice(big + 1))];
}
