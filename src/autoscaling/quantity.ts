/** Multipliers of the suffixes of a quantity, powers of ten and of two. */
const SUFFIXES: ReadonlyMap<string, number> = new Map([
  ['n', 1e-9],
  ['u', 1e-6],
  ['m', 1e-3],
  ['', 1],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['P', 1e15],
  ['E', 1e18],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
  ['Pi', 2 ** 50],
  ['Ei', 2 ** 60],
]);

const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([a-zA-Z]*))$/;

/**
 * The number that a Kubernetes quantity stands for: `100m` → 0.1, `1Gi` → 1073741824, `1e3` → 1000 (`1E` is 10¹⁸, as in
 * Kubernetes). NaN for what is not a quantity. Grammar: k8s.io/apimachinery/pkg/api/resource.
 */
export function parseQuantity(text: string): number {
  const [, number, exponent, suffix] = QUANTITY.exec(text.trim()) ?? [];
  if (number === undefined) {
    return Number.NaN;
  }
  return exponent === undefined
    ? Number(number) * (SUFFIXES.get(suffix ?? '') ?? Number.NaN)
    : Number(`${number}e${exponent}`);
}
