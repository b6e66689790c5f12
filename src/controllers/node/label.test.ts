import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capableNode, NOW, plainNode } from '../../../test/support/rewriting.ts';
import { HOLD_OFF_MS, labelStep } from './label.ts';

const LABELLED = { metadata: { labels: { 'slipstream.dev/nydus': 'true' } } };
const UNLABELLED = { metadata: { labels: { 'slipstream.dev/nydus': undefined } } };
const NOT_READY = { status: { conditions: [{ type: 'Ready', status: 'False' }] } };

function before(ms: number): Date {
  return new Date(NOW.getTime() - ms);
}

test('a node that joins with the handler is labelled at once', () => {
  assert.equal(labelStep(capableNode('n1', UNLABELLED), 'nydus', undefined, NOW), 'set');
  assert.equal(labelStep(capableNode('n1', LABELLED), 'nydus', undefined, NOW), 'keep');
});

test('a node that joins without it is left alone', () => {
  assert.equal(labelStep(plainNode('n1'), 'nydus', undefined, NOW), 'keep');
});

test('a Ready node without the handler loses the label at once: Pods would fail there', () => {
  assert.equal(labelStep(plainNode('n1', LABELLED), 'nydus', undefined, NOW), 'clear');
});

test('a node that is not Ready keeps the label, handler or not', () => {
  assert.equal(labelStep(capableNode('n1', { ...LABELLED, ...NOT_READY }), 'nydus', undefined, NOW), 'keep');
  assert.equal(labelStep(plainNode('n1', { ...LABELLED, ...NOT_READY }), 'nydus', undefined, NOW), 'keep');
});

test('a node that lost the label a moment ago waits before it gets it back', () => {
  const node = capableNode('n1', UNLABELLED);
  assert.equal(labelStep(node, 'nydus', before(HOLD_OFF_MS - 1), NOW), 'wait');
  assert.equal(labelStep(node, 'nydus', before(HOLD_OFF_MS), NOW), 'set');
});
