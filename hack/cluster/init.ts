// node hack/cluster/init.ts STATE: first program in a cluster's namespaces; starts the cluster and stays.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createProgress } from '../tools/progress.ts';
import { hierarchies } from './cgroups.ts';
import { startCluster } from './cluster.ts';
import { layoutAt } from './layout.ts';
import { mountScript } from './namespaces.ts';
import { ClusterOptions } from './options.ts';

const [state] = process.argv.slice(2);
if (state === undefined) throw new Error('usage: init.ts STATE');
// To lay mounts over /run and /sys of the machine itself would be a disaster.
if (process.ppid !== 1) throw new Error('init.ts runs in namespaces of its own: use up.ts');

const layout = layoutAt(state);
const progress = createProgress(process.stdout);
try {
  execFileSync('sh', ['-c', mountScript(hierarchies())], { stdio: ['ignore', 'inherit', 'inherit'] });
  const options = ClusterOptions.parse(JSON.parse(readFileSync(layout.options, 'utf8')));
  const cluster = await startCluster(options, layout, progress);
  process.once('SIGTERM', () => void cluster.stop().finally(() => process.exit(0)));
  // The children keep this process; its end is the end of the namespaces.
} catch (error) {
  progress.note(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
