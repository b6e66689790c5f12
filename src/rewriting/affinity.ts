import { fieldsOf, itemsOf, textOf } from './json.ts';

/** A v1.NodeSelectorRequirement. */
export interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values: readonly string[];
}

/** A v1.NodeSelectorTerm: every requirement must hold. */
export interface Term {
  readonly expressions: readonly Requirement[];
  readonly fields: readonly Requirement[];
}

/** The only field that `matchFields` knows; the DaemonSet controller pins its Pods by it. */
const NAME_FIELD = 'metadata.name';

/**
 * The terms of `requiredDuringSchedulingIgnoredDuringExecution`, of which one must hold; undefined where the Pod requires
 * nothing. What cannot be read is a term that holds nowhere.
 */
export function requiredTerms(affinity: unknown): readonly Term[] | undefined {
  const required = fieldsOf(fieldsOf(affinity)['nodeAffinity'])['requiredDuringSchedulingIgnoredDuringExecution'];
  if (required === undefined || required === null) {
    return undefined;
  }
  return itemsOf(fieldsOf(required)['nodeSelectorTerms']).map((term) => ({
    expressions: itemsOf(fieldsOf(term)['matchExpressions']).map(requirement),
    fields: itemsOf(fieldsOf(term)['matchFields']).map(requirement),
  }));
}

/** Whether a node satisfies a term, as the scheduler sees it (component-helpers, nodeaffinity): an empty term never holds. */
export function matchesTerm(term: Term, name: string, labels: ReadonlyMap<string, string>): boolean {
  if (term.expressions.length === 0 && term.fields.length === 0) {
    return false;
  }
  return (
    term.expressions.every((expression) => matchesLabel(expression, labels.get(expression.key))) &&
    term.fields.every((field) => matchesName(field, name))
  );
}

/** The names that a term allows, where it names them. */
export function namesOf(term: Term): readonly string[] | undefined {
  return term.fields.find((field) => field.key === NAME_FIELD && field.operator === 'In')?.values;
}

function requirement(value: unknown): Requirement {
  const { key, operator, values } = fieldsOf(value);
  return {
    key: textOf(key) ?? '',
    operator: textOf(operator) ?? '',
    values: itemsOf(values).filter((item) => typeof item === 'string'),
  };
}

function matchesLabel({ operator, values }: Requirement, label: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return label !== undefined && values.includes(label);
    case 'NotIn':
      return label === undefined || !values.includes(label);
    case 'Exists':
      return label !== undefined;
    case 'DoesNotExist':
      return label === undefined;
    case 'Gt':
      return compares(label, values, (left, right) => left > right);
    case 'Lt':
      return compares(label, values, (left, right) => left < right);
    default:
      return false;
  }
}

function matchesName({ key, operator, values }: Requirement, name: string): boolean {
  if (key !== NAME_FIELD) {
    return false;
  }
  return operator === 'In' ? values.includes(name) : operator === 'NotIn' && !values.includes(name);
}

function compares(
  label: string | undefined,
  [value, ...more]: readonly string[],
  holds: (left: bigint, right: bigint) => boolean,
): boolean {
  const left = integer(label);
  const right = integer(value);
  return left !== undefined && right !== undefined && more.length === 0 && holds(left, right);
}

function integer(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[+-]?[0-9]{1,19}$/.test(text) ? BigInt(text.replace('+', '')) : undefined;
}
