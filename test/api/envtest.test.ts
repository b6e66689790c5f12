import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { dump } from 'js-yaml';
import { startEnvtest } from '../envtest/envtest.ts';

/** Gives the environment a temporary directory of its own, whose content a test can look at. */
async function ownTemporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-envtest-test-'));
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = directory;
  t.after(async () => {
    if (before === undefined) {
      delete process.env['TMPDIR'];
    } else {
      process.env['TMPDIR'] = before;
    }
    await rm(directory, { recursive: true });
  });
  return directory;
}

async function answers(url: string): Promise<boolean> {
  return await fetch(url).then(
    () => true,
    () => false,
  );
}

test(
  'the API server and etcd end with the process that started them, also when that is killed',
  { timeout: 180_000 },
  async (t) => {
    const directory = await ownTemporaryDirectory(t);
    const program = `
    const { startEnvtest } = await import(${JSON.stringify(new URL('../envtest/envtest.ts', import.meta.url).href)});
    console.log((await startEnvtest()).etcdUrl);
    setInterval(() => undefined, 1000);
  `;
    const env = { ...process.env, TMPDIR: directory };
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    });
    t.after(() => child.kill('SIGKILL'));
    const [etcd] = (await once(createInterface(child.stdout), 'line')) as [string];
    assert.equal(await answers(`${etcd}/health`), true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    while (await answers(`${etcd}/health`)) {
      await sleep(20);
    }
  },
);

test('a CRD that the API server refuses is an error, and leaves nothing behind', async (t) => {
  const directory = await ownTemporaryDirectory(t);
  const path = join(directory, 'crd.yaml');
  const crd = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'wrong' } };
  await writeFile(path, dump(crd));
  await assert.rejects(startEnvtest({ crds: [path] }), /answered 422/);
  assert.deepEqual(await readdir(directory), ['crd.yaml']);
});
