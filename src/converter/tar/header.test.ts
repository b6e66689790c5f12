import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rawEntry } from '../../../test/support/raw-tar.ts';
import { BLOCK, decodeHeader, encodeHeader, padding } from './header.ts';

const plain = {
  name: 'etc/a',
  type: '0',
  linkname: '',
  mode: 0o4755,
  uid: 1000,
  gid: 2_097_151,
  size: 5,
  mtime: 1_700_000_000,
  device: [0, 0],
  xattrs: new Map(),
} as const;

describe('a header comes out as it went in', () => {
  test('with numbers that fit, and such that do not', () => {
    const big = { ...plain, uid: 2 ** 32 - 1, gid: 2_097_152, size: 2 ** 43, mtime: 9_000_000_000 };
    assert.deepEqual(decodeHeader(encodeHeader(plain)), plain);
    assert.deepEqual(decodeHeader(encodeHeader(big)), big);
  });

  test('with a name and a target that fill their fields', () => {
    const full = { ...plain, type: '2', name: 'n'.repeat(100), linkname: 'l'.repeat(100) };
    assert.deepEqual(decodeHeader(encodeHeader(full)), full);
  });
});

describe('a header of somebody else is read', () => {
  const decoded = (entry: Parameters<typeof rawEntry>[0]): ReturnType<typeof decodeHeader> =>
    decodeHeader(rawEntry(entry).subarray(0, BLOCK));

  test('with its prefix, where the format has one', () => {
    assert.equal(decoded({ name: 'a', prefix: 'usr/bin' }).name, 'usr/bin/a');
    assert.equal(decoded({ name: 'a', prefix: 'no prefix', format: 'gnu' }).name, 'a');
    assert.equal(decoded({ name: 'a', prefix: 'no prefix', format: 'v7' }).name, 'a');
  });

  test('with negative times, and without devices where there are none', () => {
    assert.equal(decoded({ name: 'a', mtime: -86_400 }).mtime, -86_400);
    assert.deepEqual(decoded({ name: 'a', type: '6', format: 'gnu' }).device, [0, 0]);
    assert.deepEqual(decoded({ name: 'a', type: '3', device: [1, 3] }).device, [1, 3]);
  });

  test('with only those bits of the mode that are permissions', () => {
    assert.equal(decoded({ name: 'a', mode: 0o100644 }).mode, 0o644);
  });
});

test('a block with a wrong checksum is no header', () => {
  const block = encodeHeader(plain);
  block.writeUInt8(0x62, 0);
  assert.throws(() => decodeHeader(block), /wrong checksum/);
});

test('a field that is no number is an error and not zero', () => {
  const block = rawEntry({ name: 'a', more: [[108, 'abc\0\0\0\0\0']] });
  assert.throws(() => decodeHeader(block), /a has a field that is no number/);
});

test('content is padded to whole blocks', () => {
  assert.deepEqual([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
});
