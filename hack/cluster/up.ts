// node hack/cluster/up.ts [--name dev] [--nodes 1|2] [--seed] …: brings a cluster up and leaves it running.
import { createProgress } from '../tools/progress.ts';
import { interruption, report } from './command.ts';
import { parseOptions } from './options.ts';
import { bringUp } from './prepare.ts';

const progress = createProgress();
await report(progress, async () => {
  const { options } = parseOptions(process.argv.slice(2));
  await bringUp(options, { attached: false, progress, signal: interruption() });
  return 0;
});
