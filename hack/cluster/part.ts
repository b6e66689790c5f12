import { spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines } from '../tools/process.ts';

const POLL_MS = 50;
const READY_TIMEOUT_MS = 120_000;

/** A process of the cluster. */
export interface Part {
  readonly name: string;
  readonly log: string;
  /** Resolves with how it ended, once it has. */
  readonly ended: Promise<string>;
  /** Ends it with SIGTERM, and with SIGKILL when that takes more than a few seconds. */
  stop(): Promise<void>;
}

/** What to run and how to know that it serves. */
export interface PartOptions {
  name: string;
  command: string[];
  log: string;
  env?: Record<string, string>;
  /** Asked again and again until it says yes; a throw counts as no. */
  ready?: () => Promise<boolean>;
  /** The process to signal, where that is not the spawned one (a child of nsenter, say). */
  signalTarget?: (spawned: number) => Promise<number>;
}

const STOP_TIMEOUT_MS = 5_000;

/** Starts a part and waits until it is ready. Throws with the end of its log when it ends before or takes too long. */
export async function startPart(options: PartOptions): Promise<Part> {
  const [program, ...args] = options.command;
  if (program === undefined) throw new Error(`${options.name}: no command`);
  mkdirSync(dirname(options.log), { recursive: true });
  const log = openSync(options.log, 'a');
  const child = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, ...options.env } });
  closeSync(log);

  let how: string | undefined;
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`exit ${signal ?? code}`));
  }).then((text) => (how = text));

  async function fail(what: string): Promise<never> {
    throw new Error(`${options.name} ${what}; the end of ${options.log}:\n${await lastLines(options.log)}`);
  }
  async function stop(): Promise<void> {
    if (how !== undefined || child.pid === undefined) return;
    const target = (await options.signalTarget?.(child.pid)) ?? child.pid;
    process.kill(target, 'SIGTERM');
    const deadline = new AbortController();
    const late = sleep(STOP_TIMEOUT_MS, 'late', { signal: deadline.signal }).catch(() => '');
    if ((await Promise.race([ended, late])) === 'late') process.kill(target, 'SIGKILL');
    deadline.abort();
    await ended;
  }

  const since = performance.now();
  while (options.ready !== undefined && !(await options.ready().catch(() => false))) {
    if (how !== undefined) return fail(`ended (${how})`);
    if (performance.now() - since > READY_TIMEOUT_MS) {
      await stop();
      return fail(`was not ready after ${READY_TIMEOUT_MS / 1000} s`);
    }
    await sleep(POLL_MS);
  }
  return { name: options.name, log: options.log, ended, stop };
}
