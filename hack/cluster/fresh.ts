import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const RUN = join(import.meta.dirname, 'run.ts');

/**
 * Runs a Node.js program (its file, or its flags, and its arguments) inside a cluster of its own, which ends with it and with
 * this process: on Linux the kernel sees to that (PR_SET_PDEATHSIG), however this process ends. Throws when the program fails.
 * @param options those of up.ts
 */
export async function runInFreshCluster(options: readonly string[], program: readonly string[]): Promise<void> {
  // A program that tests are run with would take these for its own.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const run = [process.execPath, RUN, '--fresh', ...options, '--', process.execPath, ...program];
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...run], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env,
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (code !== 0) {
    throw new Error(`${program.join(' ')} failed in its cluster (${code ?? signal}); see above`);
  }
}
