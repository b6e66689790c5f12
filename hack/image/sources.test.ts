import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { toolOf } from '../tools/catalogue.ts';
import { digestOf, ROOT, sourceFiles } from './sources.ts';

test('an image is made from the Dockerfile, the packages and src, without tests', async () => {
  const files = (await sourceFiles()).map((file) => relative(ROOT, file));
  for (const wanted of ['Dockerfile', '.dockerignore', 'package.json', 'package-lock.json', 'LICENSE', 'src/main.ts']) {
    assert.ok(files.includes(wanted), wanted);
  }
  assert.deepEqual(
    files.filter((file) => file.endsWith('.test.ts') || /^(node_modules|test|hack|charts|docs)\b/.test(file)),
    [],
  );
});

test('the Dockerfile ships the versions that are tested', async () => {
  const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
  assert.equal(/^ARG NYDUS_VERSION=(.+)$/m.exec(dockerfile)?.[1], toolOf('nydus-image')?.version);
  const [major] = process.versions.node.split('.');
  assert.match(dockerfile, new RegExp(`^ARG BASE=\\S+/node:${major}-`, 'm'));
});

test('an image is built again when a source changes, and only then', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-sources-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'main.ts');
  await writeFile(file, 'one');
  const first = await digestOf(['v24'], [file]);
  await writeFile(file, 'one');
  assert.equal(await digestOf(['v24'], [file]), first);
  assert.notEqual(await digestOf(['v26'], [file]), first);
  await writeFile(file, 'two');
  assert.notEqual(await digestOf(['v24'], [file]), first);
});
