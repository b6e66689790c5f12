import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OwnWrites, compareResourceVersions } from './ownwrites.ts';

describe('own writes', () => {
  test('a key is stale until the cache has seen the last write to it', () => {
    const writes = new OwnWrites();
    writes.remember('a/b', '100');
    assert.equal(writes.isStale('a/b', '99'), true);
    assert.equal(writes.isStale('a/b', '100'), false);
    assert.equal(writes.isStale('a/b', '99'), false, 'what was seen once is not waited for again');
  });

  test('a later version than the own one is fresh as well', () => {
    const writes = new OwnWrites();
    writes.remember('a/b', '100');
    assert.equal(writes.isStale('a/b', '101'), false);
  });

  test('keys do not hold each other back', () => {
    const writes = new OwnWrites();
    writes.remember('a/b', '100');
    assert.equal(writes.isStale('a/c', '1'), false);
  });

  test('of two writes the later holds, in whatever order they return', () => {
    const writes = new OwnWrites();
    writes.remember('a/b', '101');
    writes.remember('a/b', '100');
    assert.equal(writes.isStale('a/b', '100'), true);
    writes.remember('a/b', '102');
    assert.equal(writes.isStale('a/b', '101'), true);
  });

  test('a key whose object is gone can be forgotten', () => {
    const writes = new OwnWrites();
    writes.remember('a/b', '100');
    writes.forget('a/b');
    assert.equal(writes.isStale('a/b', '1'), false);
  });

  test('versions that do not compare hold nothing back', () => {
    const writes = new OwnWrites();
    for (const [written, cached] of [
      ['abc', '1'],
      ['100', ''],
      ['100', 'abc'],
    ] as const) {
      writes.remember('a/b', written);
      assert.equal(writes.isStale('a/b', cached), false);
    }
  });
});

test('compareResourceVersions compares numbers of any length, and nothing else', () => {
  const sign = (a: string, b: string): number => Math.sign(compareResourceVersions(a, b) ?? Number.NaN);
  assert.equal(sign('9', '10'), -1);
  assert.equal(sign('10', '9'), 1);
  assert.equal(sign('123', '123'), 0);
  assert.equal(sign('123456789012345678901234567891', '123456789012345678901234567890'), 1);
  for (const none of ['', '0', '01', '-1', '1a', ' 1']) {
    assert.equal(compareResourceVersions(none, '1'), undefined);
    assert.equal(compareResourceVersions('1', none), undefined);
  }
});
