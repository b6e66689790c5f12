// node hack/cluster/run.ts [--name dev] -- COMMAND…: runs a command inside the cluster, where kubectl and the other
// tools are on PATH; ends with its exit code. With --fresh a cluster is brought up for the command alone (with the
// options of up.ts), and ends with it, also when this process is killed.
import { createProgress } from '../tools/progress.ts';
import { interruption, report } from './command.ts';
import { parseOptions } from './options.ts';
import { bringUp } from './prepare.ts';
import { removeSandbox, runInside } from './sandbox.ts';

const progress = createProgress();
await report(progress, async () => {
  const args = process.argv.slice(2);
  const fresh = args[0] === '--fresh';
  const { options, command } = parseOptions(fresh ? args.slice(1) : args);
  if (command.length === 0) throw new Error('usage: run.ts [--fresh] [OPTION…] -- COMMAND…');
  if (!fresh) return runInside(options.name, command);
  await bringUp(options, { attached: true, progress, signal: interruption() });
  try {
    return await runInside(options.name, command);
  } finally {
    await removeSandbox(options.name);
  }
});
