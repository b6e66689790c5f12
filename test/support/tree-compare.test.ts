import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, chown, link, lutimes, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { compareTrees } from './tree-compare.ts';

let folder: string;
let right: string;
let checked: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tree-compare-'));
  [right, checked] = [join(folder, 'right'), join(folder, 'checked')];
  for (const tree of [right, checked]) {
    await mkdir(join(tree, 'etc'), { recursive: true });
    await writeFile(join(tree, 'etc/file'), 'content');
    await symlink('file', join(tree, 'etc/link'));
    await setTimes(tree);
  }
});
afterEach(() => rm(folder, { recursive: true }));

async function setTimes(tree: string): Promise<void> {
  for (const path of ['etc/file', 'etc/link', 'etc', '.']) {
    await lutimes(join(tree, path), 1_000_000_000, 1_000_000_000);
  }
}

test('equal trees have no differences', async () => {
  assert.deepEqual(await compareTrees(right, checked), []);
});

test('any time is right where none is expected', async () => {
  await utimes(join(right, 'etc/file'), 0, 0);
  assert.deepEqual(await compareTrees(right, checked), []);
});

describe('a difference is found', () => {
  const changes: [string, string, (tree: string) => Promise<void> | Buffer][] = [
    ['in content of the same length', 'content', (tree) => writeFile(join(tree, 'etc/file'), 'CONTENT')],
    ['in time', 'mtime', (tree) => utimes(join(tree, 'etc/file'), 1, 1)],
    [
      'in what is the same file',
      'links',
      async (tree) => {
        await link(join(tree, 'etc/file'), join(tree, 'etc/other'));
        await writeFile(join(right, 'etc/other'), 'content');
        await lutimes(join(right, 'etc/other'), 1_000_000_000, 1_000_000_000);
        await setTimes(right);
        await setTimes(tree);
      },
    ],
    ['in mode', 'mode', (tree) => chmod(join(tree, 'etc/file'), 0o4644)],
    ['in owner', 'owner', (tree) => chown(join(tree, 'etc/file'), 1, 0)],
    [
      'in extended attributes',
      'xattrs',
      (tree) => execFileSync('setfattr', ['-n', 'user.a', '-v', 'b', join(tree, 'etc/file')]),
    ],
    ['in a file that is too many', 'unexpected', (tree) => writeFile(join(tree, 'more'), '')],
    ['in a file that lacks', 'missing', (tree) => rm(join(tree, 'etc/file'))],
    [
      'in the target of a link',
      'target',
      async (tree) => {
        await rm(join(tree, 'etc/link'));
        await symlink('elsewhere', join(tree, 'etc/link'));
      },
    ],
    [
      'in type',
      'type',
      async (tree) => {
        await rm(join(tree, 'etc/link'));
        await mkdir(join(tree, 'etc/link'));
      },
    ],
  ];
  for (const [name, what, change] of changes) {
    test(name, async () => {
      await change(checked);
      const differences = await compareTrees(right, checked);
      const found: string[] = differences.map((difference) => difference.what);
      assert.ok(found.includes(what), JSON.stringify(differences));
    });
  }
});

test('a tree that cannot be read is an error and not an empty tree', async () => {
  await assert.rejects(compareTrees(right, join(folder, 'missing')), /cannot read .*missing/);
});
