// Runs inside a fresh cluster (test/bench/prefetch.ts): the figures go to standard output, the rest to standard error.
import { parseArgs } from 'node:util';
import { openCluster } from '../../../hack/cluster/cluster.ts';
import { installSlipstream } from '../../../hack/cluster/slipstream.ts';
import type { Figure } from '../../../hack/figures.ts';
import { createProgress } from '../../../hack/tools/progress.ts';
import { loadKubeClient } from '../../../src/kube/client.ts';
import { measureContenders } from './contenders.ts';
import { measureLeads } from './leads.ts';

const { values } = parseArgs({ options: { part: { type: 'string' }, runs: { type: 'string' } } });
const progress = createProgress();
const cluster = await openCluster();
const client = loadKubeClient({ userAgent: 'slipstream-bench' });
await installSlipstream(progress);
if (values.part !== 'leads') {
  print(await measureContenders({ client, cluster }, Number(values.runs ?? 2), progress));
}
if (values.part !== 'contenders') {
  print(await measureLeads(client, progress));
}
await client.close();

function print(figures: readonly Figure[]): void {
  for (const one of figures) {
    console.log(JSON.stringify(one));
  }
}
