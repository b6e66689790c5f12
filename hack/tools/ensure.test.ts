import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { TOOLS, toolOf } from './catalogue.ts';
import { ensureTools, isCached, printsVersion } from './ensure.ts';
import { toolDirectory, toolPath } from './locate.ts';
import type { Progress } from './progress.ts';

/** Environment variables for the time of a test. */
function environment(t: TestContext, values: Record<string, string>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    process.env[name] = value;
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

async function script(path: string, output: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho '${output}'\n`);
  await chmod(path, 0o755);
}

/** An empty cache, and a PATH that a test fills. */
async function machine(t: TestContext): Promise<{ bin: string; notes: string[]; progress: Progress }> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-tools-'));
  t.after(() => rm(folder, { recursive: true }));
  const bin = join(folder, 'bin');
  await mkdir(bin);
  environment(t, { SLIPSTREAM_CACHE: join(folder, 'cache'), PATH: `${bin}:${process.env['PATH']}` });
  const notes: string[] = [];
  return { bin, notes, progress: { note: (text) => notes.push(text), step: (_label, run) => run() } };
}

describe('toolPath', () => {
  test('says what to run when a tool is not there', async (t) => {
    await machine(t);
    assert.throws(() => toolPath('etcd'), /run `make tools`, or set SLIPSTREAM_TOOL_ETCD/);
  });

  test('takes what the environment names before the cache', async (t) => {
    const { bin } = await machine(t);
    await script(join(bin, 'my-etcd'), '');
    environment(t, { SLIPSTREAM_TOOL_ETCD: join(bin, 'my-etcd') });
    assert.equal(toolPath('etcd'), join(bin, 'my-etcd'));
    assert.ok(isCached(['etcd']));
  });

  test('refuses an environment that names nothing', async (t) => {
    await machine(t);
    environment(t, { SLIPSTREAM_TOOL_KUBE_APISERVER: '/nonexistent' });
    assert.throws(() => toolPath('kube-apiserver'), /SLIPSTREAM_TOOL_KUBE_APISERVER names \/nonexistent/);
  });
});

describe('ensureTools', () => {
  test('leaves what is in the cache alone', async (t) => {
    const { notes, progress } = await machine(t);
    const crane = toolOf('crane');
    assert.ok(crane !== undefined);
    await script(join(toolDirectory(crane), 'crane'), 'v0');
    await ensureTools(['crane'], { progress });
    assert.deepEqual(notes, []);
  });

  test('keeps a copy of the right version on PATH, once for concurrent runs', async (t) => {
    const { bin, notes, progress } = await machine(t);
    await script(join(bin, 'crane'), '0.22.1');
    await Promise.all([ensureTools(['crane'], { progress }), ensureTools(['crane'], { progress })]);
    assert.deepEqual(notes, ['crane 0.22.1: taken from PATH']);
    await rm(join(bin, 'crane'));
    assert.match(toolPath('crane'), /crane-0\.22\.1-[0-9a-f]{12}\/crane$/);
  });

  test('names the tools that there are when asked for another', async () => {
    await assert.rejects(ensureTools(['etdc']), /unknown tool etdc; known are etcd, /);
  });
});

test('a version is recognised as a whole word', () => {
  assert.ok(printsVersion('Client Version: v1.36.3\nKustomize Version: v5', 'v1.36.3'));
  assert.ok(printsVersion('containerd github.com/containerd v2.4.2 abc', 'v2.4.2'));
  assert.ok(!printsVersion('v1.36.30', 'v1.36.3'));
  assert.ok(!printsVersion('v11.36.3', '1.36.3'));
});

test('every binary comes from one tool only', () => {
  const binaries = TOOLS.flatMap((tool) => tool.binaries);
  assert.equal(new Set(binaries).size, binaries.length);
});
