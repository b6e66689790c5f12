import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobIDs, HEAD_LENGTH, readHead } from './head.ts';
import { TreeError } from './tree.ts';

const ID = 'ab'.repeat(32);

function head6(offset: bigint, length: number): Buffer {
  const head = Buffer.alloc(HEAD_LENGTH);
  head.writeUInt32LE(0xe0f5e1e2, 1024);
  head.writeBigUInt64LE(offset, 1024 + 128 + 8);
  head.writeUInt32LE(length, 1024 + 128 + 16);
  return head;
}

test('the head of a bootstrap tells its version and where the table of its blobs is', () => {
  assert.deepEqual(readHead(head6(8192n, 512)), { fsVersion: '6', table: { offset: 8192, length: 512 } });
  const head5 = Buffer.alloc(HEAD_LENGTH);
  head5.writeUInt32LE(0x52414653, 0);
  head5.writeBigUInt64LE(8192n, 48);
  head5.writeUInt32LE(73, 64);
  assert.deepEqual(readHead(head5), { fsVersion: '5', table: { offset: 8192, length: 73 } });
});

test('what is no bootstrap, or damaged, is a TreeError', () => {
  assert.throws(() => readHead(Buffer.alloc(HEAD_LENGTH)), TreeError);
  assert.throws(() => readHead(Buffer.alloc(3)), TreeError);
  assert.throws(() => readHead(head6(0n, 0xffffffff)), TreeError);
  assert.throws(() => readHead(head6(0xffffffffffffffffn, 256)), TreeError);
});

test('blobs are named by the hex of their digests', () => {
  const table6 = Buffer.alloc(512);
  table6.write(ID, 0);
  table6.write(ID.replaceAll('a', 'c'), 256);
  assert.deepEqual(blobIDs('6', table6), [ID, ID.replaceAll('a', 'c')]);
  const entry = Buffer.concat([Buffer.alloc(8), Buffer.from(`${ID}\0`)]);
  assert.deepEqual(blobIDs('5', Buffer.concat([entry, entry])), [ID, ID]);
});
