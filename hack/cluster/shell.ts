// node hack/cluster/shell.ts [--name dev]: a shell inside the cluster, with kubectl and the other tools on PATH.
import { parseOptions } from './options.ts';
import { runInside } from './sandbox.ts';

try {
  const { options } = parseOptions(process.argv.slice(2));
  process.exitCode = await runInside(options.name, [process.env['SHELL'] ?? '/bin/sh', '-i']);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
