/** Nested overrides: objects merge, everything else replaces. */
export type Overrides = Readonly<Record<string, unknown>>;

/** A copy of `base` with `over` merged over it. */
export function merge(base: Overrides, over: Overrides): Record<string, unknown> {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = result[key];
    result[key] = isRecord(before) && isRecord(value) ? merge(before, value) : value;
  }
  return result;
}

function isRecord(value: unknown): value is Overrides {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
