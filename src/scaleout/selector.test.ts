import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectorText } from './selector.ts';

test('a label selector as lists take it', () => {
  const selector = {
    matchLabels: { app: 'web', tier: 'front' },
    matchExpressions: [
      { key: 'zone', operator: 'In', values: ['a', 'b'] },
      { key: 'zone', operator: 'NotIn', values: ['c'] },
      { key: 'app', operator: 'Exists' },
      { key: 'canary', operator: 'DoesNotExist' },
    ],
  };
  assert.equal(selectorText(selector), 'app=web,tier=front,zone in (a,b),zone notin (c),app,!canary');
});

test('one that is empty, or of an operator that is not known, selects nothing rather than everything', () => {
  assert.equal(selectorText(undefined), undefined);
  assert.equal(selectorText({}), undefined);
  assert.equal(
    selectorText({ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'x', operator: 'Like' }] }),
    undefined,
  );
});
