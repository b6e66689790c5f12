import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeOfFile, placeOfFolder } from './places.ts';

test('caches are found where package managers have them, whoever ran the build', () => {
  const kinds = [
    'var/lib/apt/lists',
    'var/cache/apk',
    'var/cache/dnf',
    'root/.cache/pip',
    'home/node/.npm/_cacache',
    '.m2/repository',
    'go/pkg/mod',
    'usr/local/cargo/registry',
  ].map((path) => placeOfFolder(path)?.kind);
  assert.deepEqual(kinds, ['apt lists', 'apk', 'dnf', 'pip', 'npm', 'maven', 'go', 'cargo']);
});

test('folders that only sound like it are left in peace', () => {
  for (const path of ['', 'var', 'var/lib', 'srv/var/log', 'home/tmp', 'cache/pip', 'app.git', 'a/x.cache/pip']) {
    assert.equal(placeOfFolder(path), undefined, path);
  }
});

test('compilers are found by the name of their program, whatever version or target it is for', () => {
  for (const name of ['gcc', 'g++', 'gcc-13', 'x86_64-linux-gnu-gcc-12', 'make', 'ld.bfd', 'rustc']) {
    assert.equal(placeOfFile('usr/bin', name, 1)?.code, 'BuildTools', name);
  }
  for (const name of ['gccgo.conf', 'makefile', 'ldd', 'python3', 'bash']) {
    assert.equal(placeOfFile('usr/bin', name, 1), undefined, name);
  }
  assert.equal(placeOfFile('usr/share/bash-completion/completions', 'make', 1), undefined);
});

test('a core dump is a big file of that name, and a static library one of that form', () => {
  assert.equal(placeOfFile('app', 'core.4711', 1 << 20)?.code, 'CoreDumps');
  assert.equal(placeOfFile('app', 'core', 100), undefined);
  assert.equal(placeOfFile('app', 'core.js', 1 << 20), undefined);
  assert.equal(placeOfFile('usr/lib', 'libz.a', 1)?.kind, 'static libraries');
  assert.equal(placeOfFile('usr/lib', 'notes.a', 1), undefined);
});
