import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { prepareOperatorImage } from '../../hack/image/build.ts';

const RUN = fileURLToPath(new URL('../../hack/cluster/run.ts', import.meta.url));
const INSIDE = fileURLToPath(new URL('./inside/', import.meta.url));

/** The tests in `inside/` run within the namespaces of a cluster of their own, which ends with them. */
test('Slipstream in a cluster of real parts, installed by Helm from its own image', async () => {
  // Out here, where packages can be had: the cluster's namespaces reach nothing else.
  await prepareOperatorImage();
  const tests = ['operator.ts', 'faults.ts', 'availability.ts'].map((name) => INSIDE + name);
  const options = ['--fresh', '--name', `e2e-${process.pid}`, '--nodes', '2', '--seed'];
  const command = [process.execPath, '--test', '--test-reporter=spec', '--test-concurrency=1', ...tests];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [RUN, ...options, '--', ...command], { stdio: 'inherit', env });
  const [code] = (await once(child, 'exit')) as [number | null];
  assert.equal(code, 0);
});
