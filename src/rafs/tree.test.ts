import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RAFS5_MAGIC } from './rafs5.ts';
import { RAFS6_MAGIC, RAFS6_SUPERBLOCK } from './rafs6.ts';
import { readTree, TreeError } from './tree.ts';

/** As many bytes, all the same, with a magic number somewhere. */
function bytes(size: number, value: number, magic: number, at: number): Buffer {
  const buffer = Buffer.alloc(size, value);
  buffer.writeUInt32LE(magic, at);
  return buffer;
}

test('what is no tree says what to give', () => {
  for (const text of ['', 'x', 'PK\x03\x04', '<html>'.repeat(1000)]) {
    assert.throws(() => readTree(Buffer.from(text)), /it is no tree of a Nydus image: give the file image\.boot/);
  }
});

test('a tree that points to where there is nothing is damaged', () => {
  for (const value of [1, 0x7f, 0xff]) {
    assert.throws(() => readTree(bytes(8192, value, RAFS6_MAGIC, RAFS6_SUPERBLOCK)), TreeError);
    assert.throws(() => readTree(bytes(8192, value, RAFS5_MAGIC, 0)), TreeError);
  }
  assert.throws(() => readTree(bytes(1032, 0, RAFS6_MAGIC, RAFS6_SUPERBLOCK)), /cut off or damaged/);
});

test('directories that hold each other are damage, not a loop', () => {
  const tree = bytes(8192, 0, RAFS6_MAGIC, RAFS6_SUPERBLOCK);
  tree.writeUInt16LE(1, RAFS6_SUPERBLOCK + 14);
  tree.writeUInt32LE(1, RAFS6_SUPERBLOCK + 40);
  for (const nid of [1, 3]) {
    const at = 4096 + nid * 32;
    tree.writeUInt16LE(0x4000, at + 4);
    tree.writeUInt32LE(26, at + 8);
    tree.writeUInt32LE(nid === 1 ? 0 : 1, at + 16);
  }
  // Directory 1, in block 0, has the other as `a`; that one, in block 1, has the first as `b`.
  for (const [block, child] of [
    [0, 3],
    [4096, 1],
  ] as const) {
    tree.writeBigUInt64LE(BigInt(child), block);
    tree.writeUInt16LE(12, block + 8);
    tree.write('a', block + 12);
  }
  assert.deepEqual([...readTree(tree)], []);
});
