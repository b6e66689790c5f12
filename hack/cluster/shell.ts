// node hack/cluster/shell.ts [--name dev]: a shell inside the cluster, with kubectl and the other tools on PATH.
import { createProgress } from '../tools/progress.ts';
import { report } from './command.ts';
import { parseOptions } from './options.ts';
import { runInside } from './sandbox.ts';

await report(createProgress(), async () => {
  const { options } = parseOptions(process.argv.slice(2));
  return runInside(options.name, [process.env['SHELL'] ?? '/bin/sh', '-i']);
});
