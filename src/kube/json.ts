/**
 * The wire shape of a type of `@kubernetes/client-node`: its classes hold `Date` where JSON holds an RFC 3339 string.
 * Everything this package sends and receives is the raw JSON, so nothing is converted on the way and fields that the
 * generated classes do not know survive.
 */
export type Json<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Json<Item>[]
    : T extends object
      ? { [K in keyof T]: Json<T[K]> }
      : T;

/** Any part of a `T`: what server-side apply and create take, since the API server fills in defaults. */
export type Draft<T> = T extends readonly (infer Item)[]
  ? readonly Draft<Item>[]
  : T extends object
    ? { readonly [K in keyof T]?: Draft<T[K]> | undefined }
    : T;

/**
 * Time of an object's `MicroTime` field (Lease, events.k8s.io): RFC 3339 with exactly six digits, which is the only form
 * that the API server parses.
 */
export function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}
