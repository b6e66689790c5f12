// node hack/cluster/up.ts [--name dev] [--nodes 1|2] [--seed] …: brings a cluster up and leaves it running.
import { createProgress } from '../tools/progress.ts';
import { parseOptions } from './options.ts';
import { prepare } from './prepare.ts';
import { startSandbox } from './sandbox.ts';

const progress = createProgress();
try {
  const { options } = parseOptions(process.argv.slice(2));
  await progress.step(`cluster ${options.name}`, async () => {
    await progress.step('tools', () => prepare(options, progress));
    await startSandbox(options, false, (text) => progress.note(text.trimEnd()));
  });
} catch (error) {
  progress.note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
