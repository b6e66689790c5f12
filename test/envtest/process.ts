import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';

/** Lines of a process's log that a failure shows. */
const SHOWN_LINES = 20;

/** A process that ends with this one. */
export interface Process {
  /** Throws, with the end of its log, when it has ended. */
  assertRunning(): Promise<void>;
  /** Kills it and waits for its end: what it stores is thrown away anyway. */
  stop(): Promise<void>;
}

/**
 * Starts a program with its output in a log file. It dies with this process, also when that is killed: on Linux the
 * kernel sees to it (PR_SET_PDEATHSIG); elsewhere only an orderly end does.
 */
export async function startProcess(program: string, args: string[], log: string): Promise<Process> {
  await using output = await open(log, 'a');
  const [command, ...rest] =
    process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', '--', program, ...args] : [program, ...args];
  const child = spawn(command, rest, { stdio: ['ignore', output.fd, output.fd] });
  // A test that forgets to stop it still ends, and takes it along.
  child.unref();
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  await once(child, 'spawn');
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;

  return {
    async assertRunning() {
      if (ended()) {
        const lines = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-SHOWN_LINES);
        throw new Error(`${program} ended (${child.signalCode ?? `exit ${child.exitCode}`}):\n${lines.join('\n')}`);
      }
    },
    async stop() {
      process.off('exit', kill);
      if (!ended()) {
        child.ref();
        const exit = once(child, 'exit');
        kill();
        await exit;
      }
    },
  };
}
