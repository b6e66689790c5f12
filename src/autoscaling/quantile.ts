/** The smallest value that at least the share `q` of the values does not exceed (nearest rank); undefined when there are none. */
export function quantile(values: readonly number[], q: number): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(q * values.length) - 1)];
}
