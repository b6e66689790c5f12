import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taintsOf, toleratesAll, tolerationsOf } from './taints.ts';

const GPU = { key: 'gpu', value: 'a100', effect: 'NoSchedule' };

const CASES: readonly (readonly [string, object[], object, boolean])[] = [
  ['nothing tolerates nothing', [], GPU, false],
  ['a taint that only prefers is no obstacle', [], { ...GPU, effect: 'PreferNoSchedule' }, true],
  ['an equal value tolerates', [{ key: 'gpu', value: 'a100', effect: 'NoSchedule' }], GPU, true],
  ['Equal is the default and can be said', [{ key: 'gpu', operator: 'Equal', value: 'a100' }], GPU, true],
  ['another value does not tolerate', [{ key: 'gpu', value: 'h100' }], GPU, false],
  ['Exists tolerates any value', [{ key: 'gpu', operator: 'Exists' }], GPU, true],
  ['another key does not tolerate', [{ key: 'tpu', operator: 'Exists' }], GPU, false],
  ['another effect does not tolerate', [{ key: 'gpu', operator: 'Exists', effect: 'NoExecute' }], GPU, false],
  ['Exists without a key tolerates everything', [{ operator: 'Exists' }], GPU, true],
  ['Equal without a key tolerates nothing', [{ operator: 'Equal', value: 'a100' }], GPU, false],
  ['an operator that is not known tolerates nothing', [{ key: 'gpu', operator: 'Gt', value: 'a100' }], GPU, false],
];

for (const [name, tolerations, taint, expected] of CASES) {
  test(name, () => assert.equal(toleratesAll(tolerationsOf(tolerations), taintsOf([taint])), expected));
}

test('every taint must be tolerated', () => {
  const taints = taintsOf([GPU, { key: 'dedicated', effect: 'NoSchedule' }]);
  assert.equal(toleratesAll(tolerationsOf([{ key: 'gpu', operator: 'Exists' }]), taints), false);
});
