import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesTerm, requiredTerms } from './affinity.ts';

const LABELS = new Map([
  ['zone', 'a'],
  ['gpus', '8'],
  ['huge', '9007199254740993'],
  ['empty', ''],
]);

function matches(term: object): boolean {
  const terms = requiredTerms({
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
  });
  return terms?.some((each) => matchesTerm(each, 'n1', LABELS)) ?? true;
}

function expression(key: string, operator: string, ...values: unknown[]): object {
  return { matchExpressions: [{ key, operator, values }] };
}

function field(key: string, operator: string, ...values: string[]): object {
  return { matchFields: [{ key, operator, values }] };
}

const CASES: readonly (readonly [string, object, boolean])[] = [
  ['In holds for a listed value', expression('zone', 'In', 'a', 'b'), true],
  ['In fails for another value', expression('zone', 'In', 'b'), false],
  ['In fails for an absent label', expression('missing', 'In', 'a'), false],
  ['NotIn holds for another value', expression('zone', 'NotIn', 'b'), true],
  ['NotIn fails for a listed value', expression('zone', 'NotIn', 'a'), false],
  ['NotIn holds for an absent label', expression('missing', 'NotIn', 'a'), true],
  ['Exists holds for a label without value', expression('empty', 'Exists'), true],
  ['Exists fails for an absent label', expression('missing', 'Exists'), false],
  ['Exists fails for a name that every object has', expression('constructor', 'Exists'), false],
  ['DoesNotExist holds for an absent label', expression('missing', 'DoesNotExist'), true],
  ['DoesNotExist fails for a present label', expression('zone', 'DoesNotExist'), false],
  ['Gt compares as integers', expression('gpus', 'Gt', '10'), false],
  ['Gt holds for a greater label', expression('gpus', 'Gt', '7'), true],
  ['Gt fails for an equal label', expression('gpus', 'Gt', '8'), false],
  ['Lt holds for a smaller label', expression('gpus', 'Lt', '10'), true],
  ['Lt is exact beyond 53 bits', expression('huge', 'Gt', '9007199254740992'), true],
  ['Gt fails for a label that is no integer', expression('zone', 'Gt', '1'), false],
  ['Gt fails for a bound that is no integer', expression('gpus', 'Gt', '1.5'), false],
  ['Gt fails for an absent label', expression('missing', 'Gt', '1'), false],
  ['Gt fails for two bounds, which the API server refuses', expression('gpus', 'Gt', '1', '2'), false],
  ['an operator that is not known fails', expression('zone', 'Near', 'a'), false],
  ['values of another type are passed over', expression('gpus', 'In', 8), false],
  ['the name of the node can be wanted', field('metadata.name', 'In', 'n1'), true],
  ['the name of another node is not this one', field('metadata.name', 'In', 'n2'), false],
  ['the name of the node can be unwanted', field('metadata.name', 'NotIn', 'n1'), false],
  ['another field is not known', field('metadata.namespace', 'NotIn', 'n1'), false],
  [
    'all requirements of a term must hold',
    {
      matchExpressions: [
        { key: 'zone', operator: 'Exists' },
        { key: 'zone', operator: 'In', values: ['b'] },
      ],
    },
    false,
  ],
  [
    'expressions and fields must hold together',
    { ...expression('zone', 'In', 'a'), ...field('metadata.name', 'In', 'n2') },
    false,
  ],
  ['an empty term holds for no node', {}, false],
];

for (const [name, term, expected] of CASES) {
  test(name, () => assert.equal(matches(term), expected));
}

test('one of several terms is enough', () => {
  const terms = requiredTerms({
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [expression('zone', 'In', 'b'), expression('gpus', 'Exists')],
      },
    },
  });
  assert.ok(terms?.some((term) => matchesTerm(term, 'n1', LABELS)));
});

test('a Pod without required node affinity requires nothing', () => {
  for (const affinity of [
    undefined,
    null,
    {},
    { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  ]) {
    assert.equal(requiredTerms(affinity), undefined);
  }
});

test('required node affinity that cannot be read holds for no node', () => {
  for (const required of [{}, { nodeSelectorTerms: 'x' }, { nodeSelectorTerms: [] }, 'x', []]) {
    assert.deepEqual(requiredTerms({ nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } }), []);
  }
});
