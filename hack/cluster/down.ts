// node hack/cluster/down.ts [--name dev]: takes a cluster down, running or crashed, with all that it left.
import { createProgress } from '../tools/progress.ts';
import { report } from './command.ts';
import { parseOptions } from './options.ts';
import { removeSandbox } from './sandbox.ts';

const progress = createProgress();
await report(progress, async () => {
  const { options } = parseOptions(process.argv.slice(2));
  await progress.step(`cluster ${options.name}: down`, () => removeSandbox(options.name));
  return 0;
});
