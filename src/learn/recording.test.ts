import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingOf } from './recording.ts';
import type { AccessRecord } from './records.ts';
import type { Tree } from '../rafs/tree.ts';

const TREE: Tree = new Map([
  [11, { path: '/bin/app', bytes: 100 }],
  [12, { path: '/etc/app.conf', bytes: 10 }],
  [13, { path: '/etc/empty', bytes: 0 }],
  [14, { path: '/usr/share/doc', bytes: 890 }],
]);

function records(...inodes: number[]): AccessRecord[] {
  return inodes.map((inode, index) => ({ inode, reads: 2, firstRead: 5000 + index * 10 }));
}

test('what was read has its path, its size, and its time from the first read on', () => {
  assert.deepEqual(recordingOf(records(12, 11), TREE), {
    image: { files: 4, bytes: 1000 },
    read: { files: 2, bytes: 110, unknown: 0 },
    files: [
      { path: '/etc/app.conf', bytes: 10, reads: 2, after: 0 },
      { path: '/bin/app', bytes: 100, reads: 2, after: 10 },
    ],
  });
});

test('an empty file, and a record that the tree has no file for, are passed over', () => {
  const { files, read } = recordingOf(records(11, 13, 99), TREE);
  assert.deepEqual(
    files.map(({ path }) => path),
    ['/bin/app'],
  );
  assert.equal(read.unknown, 1);
});

test('the tree of another image is found out', () => {
  assert.throws(() => recordingOf(records(11, 98, 99), TREE), /2 of 3 records are of no file of this image/);
});
