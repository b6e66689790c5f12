import { execFile, spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** Lines of a log that a failure shows. */
const SHOWN_LINES = 40;

/** What a command printed and how it ended. */
export const execute = promisify(execFile);

/** The last lines of a log file, for a message; says so when there are none. */
export async function lastLines(log: string, count = SHOWN_LINES): Promise<string> {
  const text = await readFile(log, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-count).join('\n') || '(the log is empty)';
}

/** Options of {@link runLogged}. */
export interface RunOptions {
  log: string;
  cwd?: string;
  env?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/**
 * Runs a command with its output going to a log file. Throws with the log's path and last lines when it does not
 * exit with 0.
 */
export async function runLogged(command: string, args: string[], options: RunOptions): Promise<void> {
  await mkdir(dirname(options.log), { recursive: true });
  await using log = await open(options.log, 'a');
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', log.fd, log.fd],
    signal: options.signal,
  });
  const ended = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code === 0 ? '' : `exit ${signal ?? code}`));
  });
  options.signal?.throwIfAborted();
  if (ended === '') return;
  const tail = await lastLines(options.log);
  throw new Error(`${command} ${args.join(' ')}: ${ended}; the end of ${options.log}:\n${tail}`);
}
