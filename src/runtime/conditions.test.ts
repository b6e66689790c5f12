import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Condition } from '../api/v1alpha1/meta.ts';
import { findCondition, removeCondition, setCondition } from './conditions.ts';

const THEN = '2026-01-01T00:00:00Z';
const now = new Date('2026-02-03T04:05:06.789Z');

const ready: Condition = {
  type: 'Ready',
  status: 'False',
  reason: 'Converting',
  message: 'the conversion is running',
  lastTransitionTime: THEN,
  observedGeneration: 1,
};

describe('setCondition', () => {
  test('adds a condition with the time in whole seconds and the generation', () => {
    const conditions = setCondition(
      [],
      { type: 'Ready', status: 'True', reason: 'Ready', message: 'ok' },
      { generation: 3, now },
    );
    assert.deepEqual(conditions, [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Ready',
        message: 'ok',
        lastTransitionTime: '2026-02-03T04:05:06Z',
        observedGeneration: 3,
      },
    ]);
  });

  test('the transition time moves when the status changes', () => {
    const [condition] = setCondition([ready], { ...ready, status: 'True' }, { generation: 1, now });
    assert.equal(condition?.lastTransitionTime, '2026-02-03T04:05:06Z');
  });

  test('the transition time stays when only reason, message or generation change', () => {
    const [condition] = setCondition(
      [ready],
      { ...ready, reason: 'Queued', message: 'third in line' },
      { generation: 2, now },
    );
    assert.deepEqual(condition, {
      ...ready,
      reason: 'Queued',
      message: 'third in line',
      observedGeneration: 2,
    });
  });

  test('setting what is there already changes nothing', () => {
    assert.deepEqual(setCondition([ready], ready, { generation: 1, now }), [ready]);
  });

  test('sorts by type and leaves the others and the input as they are', () => {
    const stalled = { ...ready, type: 'Stalled' };
    const input = Object.freeze([Object.freeze(stalled), Object.freeze(ready)]);
    const conditions = setCondition(input, { ...ready, type: 'Reconciling' }, { generation: 1, now });
    assert.deepEqual(
      conditions.map(({ type }) => type),
      ['Ready', 'Reconciling', 'Stalled'],
    );
    assert.equal(conditions[2], stalled);
  });

  test('a message fits what the API takes', () => {
    const [condition] = setCondition([], { ...ready, message: ` ${'x'.repeat(40_000)}\n` }, { generation: 1, now });
    assert.equal(condition?.message, 'x'.repeat(32_768));
  });
});

test('removeCondition takes one out, and minds nothing that is not there', () => {
  assert.deepEqual(removeCondition([ready], 'Ready'), []);
  assert.deepEqual(removeCondition([ready], 'Stalled'), [ready]);
});

test('findCondition finds by type', () => {
  assert.equal(findCondition([ready], 'Ready'), ready);
  assert.equal(findCondition([ready], 'Stalled'), undefined);
});
