// node hack/cluster/run.ts [--name dev] -- COMMAND…: runs a command inside the cluster, where kubectl and the other
// tools are on PATH; ends with its exit code. With --fresh a cluster is brought up for the command alone (with the
// options of up.ts), and ends with it.
import { createProgress } from '../tools/progress.ts';
import { parseOptions } from './options.ts';
import { prepare } from './prepare.ts';
import { removeSandbox, runInside, startSandbox } from './sandbox.ts';

const progress = createProgress();
try {
  const args = process.argv.slice(2);
  const fresh = args[0] === '--fresh';
  const { options, command } = parseOptions(fresh ? args.slice(1) : args);
  if (command.length === 0) throw new Error('usage: run.ts [--fresh] [OPTION…] -- COMMAND…');
  if (fresh) {
    await progress.step(`cluster ${options.name}`, async () => {
      await progress.step('tools', () => prepare(options, progress));
      await startSandbox(options, true, (text) => progress.note(text.trimEnd()));
    });
  }
  process.exitCode = await runInside(options.name, command);
  if (fresh) await removeSandbox(options.name);
} catch (error) {
  progress.note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
