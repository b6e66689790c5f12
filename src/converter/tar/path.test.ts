import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cleanPath, resolveParents } from './path.ts';

describe('a path of a tar', () => {
  test('is clean without dots and slashes around its names', () => {
    assert.equal(cleanPath('./etc/../usr//bin/.'), 'usr/bin');
    assert.equal(cleanPath('/etc/passwd'), 'etc/passwd');
    assert.equal(cleanPath('./'), '');
  });

  test('may not lead out of the image', () => {
    assert.throws(() => cleanPath('etc/../../passwd'), /leads out of the image/);
  });

  test('has names and a length that Linux takes', () => {
    assert.equal(cleanPath('n'.repeat(255)).length, 255);
    assert.throws(() => cleanPath('n'.repeat(256)), /has 256 bytes, and Linux takes 255/);
    assert.equal(cleanPath(`${'d/'.repeat(2047)}e`).length, 4095);
    assert.throws(() => cleanPath('d/'.repeat(2048) + 'e'), /Linux takes no path of 4097 bytes/);
  });
});

describe('links to folders in a path', () => {
  const links = new Map([
    ['lib', 'usr/lib'],
    ['var/run', '/run'],
    ['usr/up', '../../../etc'],
    ['chain', 'lib'],
    ['loop', 'loop'],
  ]);
  const resolve = (path: string): string => resolveParents(path, (at) => links.get(at));

  test('are followed, also one after the other, but not at its end', () => {
    assert.equal(resolve('lib/a/b'), 'usr/lib/a/b');
    assert.equal(resolve('chain/a'), 'usr/lib/a');
    assert.equal(resolve('lib'), 'lib');
  });

  test('lead from the root of the image where they are absolute, and never out of it', () => {
    assert.equal(resolve('var/run/a'), 'run/a');
    assert.equal(resolve('usr/up/passwd'), 'etc/passwd');
  });

  test('that lead to themselves are an error', () => {
    assert.throws(() => resolve('loop/a'), /too many links/);
  });
});
