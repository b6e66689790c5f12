/**
 * Reading JSON that may be anything: admission is total, so what is missing or of another type reads as absent and
 * nothing here throws.
 */

/** Whether it is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The properties of an object; of anything else, none. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

/** The items of an array; of anything else, none. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A string that is not empty: Kubernetes does not tell empty from absent. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The entries of a `map[string]string`. A Map, since a label may be called like a property of every object. */
export function stringMapOf(value: unknown): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const [key, entry] of Object.entries(fieldsOf(value))) {
    if (typeof entry === 'string') {
      map.set(key, entry);
    }
  }
  return map;
}
