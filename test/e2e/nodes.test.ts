import { test } from 'node:test';
import { join } from 'node:path';
import { runInFreshCluster } from '../../hack/cluster/fresh.ts';

/** What docs/nodes.md says of containerd, nydusd and a node's Dragonfly peer, within a cluster of its own. */
test('nodes whose containerd and nydusd pull through their Dragonfly peers', async () => {
  const options = ['--name', `nodes-${process.pid}`, '--nodes', '2', '--seed', '--peers'];
  await runInFreshCluster(options, ['--test', '--test-reporter=spec', join(import.meta.dirname, 'inside/nodes.ts')]);
});
