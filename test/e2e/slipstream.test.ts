import { test } from 'node:test';
import { join } from 'node:path';
import { runInFreshCluster } from '../../hack/cluster/fresh.ts';
import { prepareOperatorImage } from '../../hack/image/build.ts';

const INSIDE = join(import.meta.dirname, 'inside');

/** The tests in `inside/` run within the namespaces of a cluster of their own, which ends with them. */
test('Slipstream in a cluster of real parts, installed by Helm from its own image', async () => {
  // Out here, where packages can be had: the cluster's namespaces reach nothing else.
  await prepareOperatorImage();
  const tests = ['operator.ts', 'learn.ts', 'faults.ts', 'hold.ts', 'trust.ts', 'availability.ts', 'uninstall.ts'].map(
    (name) => join(INSIDE, name),
  );
  const options = ['--name', `e2e-${process.pid}`, '--nodes', '2', '--seed'];
  await runInFreshCluster(options, ['--test', '--test-reporter=spec', '--test-concurrency=1', ...tests]);
});
