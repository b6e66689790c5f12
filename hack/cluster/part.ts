import { spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines } from '../tools/process.ts';

const POLL_MS = 50;
const RESTART_MS = 1_000;
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 5_000;

/** A process of the cluster, which can be ended and started again. */
export interface Part {
  readonly name: string;
  /** Rejects with the end of the log when the process ends without being asked to. */
  readonly died: Promise<never>;
  /** Starts it, and waits until it is ready. Does nothing when it runs. */
  start(): Promise<void>;
  /** Ends it: with SIGTERM and, when that takes long, SIGKILL; or with SIGKILL at once. Does nothing when it is down. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** What to run and how to know that it serves. */
export interface PartOptions {
  name: string;
  command: string[];
  log: string;
  env?: Record<string, string>;
  /** Asked again and again until it says yes; a throw counts as no. */
  ready?: () => Promise<boolean>;
  /** Whether one that ends before it is ready is started again, as a kubelet does. */
  restarts?: boolean;
  /** The process to signal, where that is not the spawned one (a child of nsenter, say). */
  signalTarget?: (spawned: number) => Promise<number>;
}

interface Run {
  pid: number;
  ended: Promise<string>;
  how?: string;
  stopping?: boolean;
}

function launch({ name, command, log, env }: PartOptions): Run {
  const [program, ...args] = command;
  if (program === undefined) throw new Error(`${name}: no command`);
  mkdirSync(dirname(log), { recursive: true });
  const output = openSync(log, 'a');
  const child = spawn(program, args, { stdio: ['ignore', output, output], env: { ...process.env, ...env } });
  closeSync(output);
  if (child.pid === undefined) throw new Error(`${name}: cannot run ${program}`);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`exit ${signal ?? code}`));
  });
  const run: Run = { pid: child.pid, ended };
  void ended.then((how) => (run.how = how));
  return run;
}

/** A part that is not started yet. */
function createPart(options: PartOptions): Part {
  const died = Promise.withResolvers<never>();
  // Whoever cares listens; a part that dies unheard does not end the whole cluster.
  died.promise.catch(() => undefined);
  let current: Run | undefined;

  async function failure(what: string): Promise<Error> {
    return new Error(`${options.name} ${what}; the end of ${options.log}:\n${await lastLines(options.log)}`);
  }

  async function start(): Promise<void> {
    if (current !== undefined && current.how === undefined) return;
    let run = launch(options);
    current = run;
    const since = performance.now();
    while (options.ready !== undefined && !(await options.ready().catch(() => false))) {
      if (run.how !== undefined) {
        if (options.restarts !== true) throw await failure(`ended (${run.how})`);
        run = launch(options);
        current = run;
      }
      if (performance.now() - since > READY_TIMEOUT_MS) {
        throw await failure(`was not ready after ${READY_TIMEOUT_MS / 1000} s`);
      }
      await sleep(options.restarts === true ? RESTART_MS : POLL_MS);
    }
    void run.ended.then(async (how) => {
      if (!run.stopping) died.reject(await failure(`ended (${how})`));
    });
  }

  async function stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const run = current;
    if (run === undefined || run.how !== undefined) return;
    run.stopping = true;
    const target = (await options.signalTarget?.(run.pid)) ?? run.pid;
    process.kill(target, signal);
    const waiting = new AbortController();
    const late = sleep(STOP_TIMEOUT_MS, 'late', { signal: waiting.signal }).catch(() => '');
    if ((await Promise.race([run.ended, late])) === 'late') process.kill(target, 'SIGKILL');
    waiting.abort();
    await run.ended;
  }
  return { name: options.name, died: died.promise, start, stop };
}

/** Makes a part and starts it. Throws with the end of its log when it ends before it is ready, or takes too long. */
export async function startPart(options: PartOptions): Promise<Part> {
  const part = createPart(options);
  await part.start();
  return part;
}
