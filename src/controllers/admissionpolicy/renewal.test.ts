import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RewriteTableSpec } from '../../api/v1alpha1/rewritetable.ts';
import { renewal } from './renewal.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const MINUTE = 60_000;

/** A table whose images count for so many minutes yet. */
function table(...minutes: number[]): RewriteTableSpec {
  const images = minutes.map((left, i) => {
    const validUntil = new Date(NOW.getTime() + left * MINUTE).toISOString();
    return [`registry.test/i${i}:1`, { image: `registry.test/i${i}@sha256:${'a'.repeat(64)}`, validUntil }] as const;
  });
  return { images: Object.fromEntries(images), ownerKinds: ['ReplicaSet.apps'] };
}

describe('a table is written', () => {
  test('when there is none', () => assert.equal(renewal(undefined, table(10), NOW).write, true));

  test('when an image comes or goes, or anything of it but its time changes', () => {
    assert.equal(renewal(table(10), table(10, 10), NOW).write, true);
    assert.equal(renewal(table(10, 10), table(10), NOW).write, true);
    assert.equal(renewal(table(10), { ...table(10), ownerKinds: [] }, NOW).write, true);
  });

  test('when an entry has half of the time left that it could get', () => {
    assert.equal(renewal(table(5), table(10), NOW).write, true);
    assert.equal(renewal(table(9, 5), table(10, 10), NOW).write, true);
  });

  test('at once when an entry counts for longer than it should', () => {
    assert.equal(renewal(table(10), table(9), NOW).write, true);
  });
});

describe('a table is not written', () => {
  test('when nothing changed', () => assert.equal(renewal(table(10), table(10), NOW).write, false));

  test('whenever an image was confirmed: its entry still has most of its time', () => {
    assert.equal(renewal(table(6), table(10), NOW).write, false);
  });

  test('when an entry that nobody confirmed runs out', () =>
    assert.equal(renewal(table(1), table(1), NOW).write, false));
});

describe('a table is looked at again', () => {
  test('when half of the time is over of the entry that has least of it', () => {
    assert.equal(renewal(undefined, table(10, 4), NOW).again, 2 * MINUTE);
    assert.equal(renewal(table(6, 10), table(10, 10), NOW).again, 3 * MINUTE);
  });

  test('but never more than once a second', () => assert.equal(renewal(table(0.01), table(0.01), NOW).again, 1000));
});
