import { fieldsOf, itemsOf, textOf } from './json.ts';

/** A v1.Taint. */
export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
}

/** A v1.Toleration; empty strings stand for what is absent. */
export interface Toleration {
  readonly key: string;
  readonly operator: string;
  readonly value: string;
  readonly effect: string;
}

/** What the API server and the scheduler hold for a cordoned node, whether or not its taint is there yet. */
export const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', value: '', effect: 'NoSchedule' };

/** Keys of taints that come and go with a node's state, and say nothing about what it is for. */
const PASSING = ['node.kubernetes.io/', 'node.cloudprovider.kubernetes.io/'];

export function taintsOf(value: unknown): readonly Taint[] {
  return itemsOf(value).map((item) => {
    const taint = fieldsOf(item);
    return {
      key: textOf(taint['key']) ?? '',
      value: textOf(taint['value']) ?? '',
      effect: textOf(taint['effect']) ?? '',
    };
  });
}

export function tolerationsOf(value: unknown): readonly Toleration[] {
  return itemsOf(value).map((item) => {
    const { key, operator, value: wanted, effect } = fieldsOf(item);
    return {
      key: textOf(key) ?? '',
      operator: textOf(operator) ?? '',
      value: textOf(wanted) ?? '',
      effect: textOf(effect) ?? '',
    };
  });
}

/** Whether the taint belongs to a passing state of the node (not ready, cordoned, under pressure, initialising). */
export function isPassing(taint: Taint): boolean {
  return PASSING.some((prefix) => taint.key.startsWith(prefix));
}

/** Whether no taint keeps a Pod with these tolerations off the node. */
export function toleratesAll(tolerations: readonly Toleration[], taints: readonly Taint[]): boolean {
  return taints.every(
    (taint) => taint.effect === 'PreferNoSchedule' || tolerations.some((toleration) => tolerates(toleration, taint)),
  );
}

/** v1.Toleration.ToleratesTaint; an operator that is not known tolerates nothing. */
function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if ((effect !== '' && effect !== taint.effect) || (key !== '' && key !== taint.key)) {
    return false;
  }
  if (operator === 'Exists') {
    return true;
  }
  return key !== '' && (operator === '' || operator === 'Equal') && value === taint.value;
}
