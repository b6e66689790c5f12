import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerEntry } from './entry.ts';
import { efficiencyOf, emptyStack, layOver } from './stack.ts';

function file(path: string, size: number, more: Partial<LayerEntry> = {}): LayerEntry {
  return { path, kind: 'file', mode: 0o644, size, ...more };
}

function folder(path: string): LayerEntry {
  return { path, kind: 'folder', mode: 0o755, size: 0 };
}

/** Bytes, efficiency and what is hidden: `path size how by layer`. */
function stacked(...layers: LayerEntry[][]): { bytes: number; efficiency: string; hidden: string[] } {
  const stack = emptyStack();
  const hidden: string[] = [];
  for (const layer of layers) {
    layOver(stack, layer, ({ file: { size }, path, how, by }) => hidden.push(`${path} ${size} ${how} by ${by}`));
  }
  return { bytes: stack.bytes, efficiency: efficiencyOf(stack).toFixed(3), hidden: hidden.toSorted() };
}

test('a whiteout takes away a file or a whole folder of the layers below, wherever it stands in its layer', () => {
  const base = [folder('a'), file('a/one', 10), folder('a/b'), file('a/b/two', 20), file('kept', 70)];
  assert.deepEqual(stacked(base, [file('.wh.a', 0)]), {
    bytes: 100,
    efficiency: '0.700',
    hidden: ['a/b/two 20 deleted by 1', 'a/one 10 deleted by 1'],
  });
  assert.deepEqual(stacked(base, [file('a/one', 10), file('a/.wh..wh..opq', 0)]).hidden, [
    'a/b/two 20 deleted by 1',
    'a/one 10 deleted by 1',
  ]);
});

test('an opaque root takes away everything below', () => {
  const hidden = ['a 1 deleted by 1', 'b/c 2 deleted by 1'];
  assert.deepEqual(stacked([file('a', 1), file('b/c', 2)], [file('.wh..wh..opq', 0)]).hidden, hidden);
});

test('what is written again counts once, as small as it ever was', () => {
  assert.deepEqual(stacked([file('a', 100)], [file('a', 40)]), {
    bytes: 140,
    efficiency: '0.286',
    hidden: ['a 100 overwritten by 1'],
  });
});

test('a file in the place of a folder hides what is in it, and a folder in the place of a file that file', () => {
  assert.deepEqual(stacked([folder('a'), file('a/b', 5)], [file('a', 1)]).hidden, ['a/b 5 overwritten by 1']);
  assert.deepEqual(stacked([file('a', 5)], [file('a/b', 1)]).hidden, ['a 5 overwritten by 1']);
  assert.deepEqual(stacked([file('a', 5)], [folder('a')]).hidden, ['a 5 overwritten by 1']);
});

test('a folder again hides nothing', () => {
  assert.deepEqual(stacked([folder('a'), file('a/b', 5)], [folder('a'), file('a/c', 5)]).hidden, []);
});

test('a file with several names is hidden when the last of them is', () => {
  const base = [file('z', 8, { links: 1 }), file('a', 8, { links: 1 })];
  assert.equal(stacked(base).bytes, 8);
  assert.deepEqual(stacked(base, [file('.wh.a', 0)]).hidden, []);
  assert.deepEqual(stacked(base, [file('.wh.a', 0)], [file('.wh.z', 0)]).hidden, ['a 8 deleted by 2']);
});

test('a whiteout of nothing does nothing, however often', () => {
  const whiteouts = [file('.wh.a', 0), file('b/.wh..wh..opq', 0), file('b/.wh.c', 0)];
  assert.deepEqual(stacked(whiteouts, [file('a', 1)], whiteouts, whiteouts).hidden, ['a 1 deleted by 2']);
});

test('an image without a byte is as efficient as can be', () => {
  assert.equal(stacked([]).efficiency, '1.000');
});

test('many files below many folders that are deleted again and again take no time to speak of', () => {
  const depth = 200;
  const folders = Array.from({ length: depth }, (_, i) => Array.from({ length: i + 1 }, () => 'd').join('/'));
  const files = folders.flatMap((path) => Array.from({ length: 50 }, (_, i) => file(`${path}/${i}`, 1)));
  const whiteouts = folders.map((path) => file(`${path}/.wh..wh..opq`, 0));
  const layers = Array.from({ length: 20 }, () => [...whiteouts, file('d/0', 1)]);
  const { hidden, bytes } = stacked(files, ...layers);
  assert.equal(hidden.length, bytes - 1);
});
