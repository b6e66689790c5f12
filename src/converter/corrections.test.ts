import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dependsOnBelow, planCorrections } from './corrections.ts';
import { emptyContents, place, type LayerContents } from './tar/contents.ts';
import type { TarEntry } from './tar/header.ts';

const COMMON = { linkname: '', uid: 0, gid: 0, size: 0, mtime: 1, device: [0, 0], xattrs: new Map() } as const;
const folder = (name: string, mode = 0o755): TarEntry => ({ ...COMMON, name, type: '5', mode });
const file = (name: string): TarEntry => ({ ...COMMON, name, type: '0', mode: 0o644 });

function layer(...entries: TarEntry[]): LayerContents {
  const contents = emptyContents();
  for (const entry of entries) {
    place(entry, contents);
  }
  return contents;
}

/** The corrections above each layer, as names and modes. */
function corrections(...layers: (LayerContents | undefined)[]): string[][] {
  return planCorrections(layers).above.map((all) => all.map(({ name, mode }) => `${name} ${mode.toString(8)}`));
}

describe('nothing is corrected', () => {
  test('where layers have entries for all of their folders', () => {
    const layers = [layer(folder('a', 0o700), file('a/b')), layer(folder('a'), file('a/c'), file('.wh.d'))];
    assert.deepEqual(corrections(...layers), [[], []]);
    assert.deepEqual(planCorrections(layers).irregular, [false, false]);
  });

  test('of folders without an entry that no layer below has', () => {
    assert.deepEqual(corrections(layer(folder('a')), layer(file('b/c/d')), layer(file('b/c/e'))), [[], [], []]);
  });

  test('of layers that were taken over', () => {
    assert.deepEqual(corrections(undefined, layer(folder('a'))), [[], []]);
  });
});

test('a folder without an entry is as the layers below have it, and so are those that it lies in', () => {
  const base = layer(folder('a', 0o711), folder('a/b', 0o1777));
  assert.deepEqual(corrections(base, layer(file('a/b/c'))), [[], ['a 711', 'a/b 1777']]);
});

test('a folder that a whiteout took away is a new one', () => {
  const base = layer(folder('a', 0o700), folder('b', 0o700));
  const opaque = layer(file('.wh..wh..opq'));
  assert.deepEqual(corrections(base, layer(file('.wh.a'), file('a/b')), opaque, layer(file('b/c'))), [[], [], [], []]);
});

test('a folder whose entry comes late is as that says', () => {
  const late = layer(file('a/b'), folder('a', 0o700));
  assert.deepEqual(corrections(late), [['a 700']]);
  assert.deepEqual(planCorrections([late]).irregular, [true]);
});

test('a folder in the place of a file in the place of a folder has nothing of the first one', () => {
  const layers = [layer(folder('x'), folder('x/d'), file('x/d/old')), layer(folder('x'), file('x/d'))];
  assert.deepEqual(corrections(...layers, layer(folder('x', 0o700), folder('x/d'))), [
    [],
    ['x 755', 'x/.wh.d 755'],
    [],
  ]);
  assert.deepEqual(corrections(...layers, layer(folder('x'), file('x/.wh.d')), layer(folder('x'), folder('x/d'))), [
    [],
    [],
    [],
    [],
  ]);
  assert.deepEqual(planCorrections(layers).irregular, [false, true]);
});

test('a layer depends on those below if it has files in a folder, but no entry for it', () => {
  assert.equal(dependsOnBelow(layer(file('a/b'))), true);
  assert.equal(dependsOnBelow(layer(folder('a'), file('a/b'), file('c'))), false);
  assert.equal(dependsOnBelow(undefined), false);
});
