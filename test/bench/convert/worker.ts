import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { toolPath } from '../../../hack/tools/locate.ts';
import type { ConvertRequest } from '../../../src/converter/options.ts';
import { ConvertResult, type ConvertSuccess } from '../../../src/converter/result.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
const SAMPLE_MS = 50;

/** What a conversion took, measured from outside. */
export interface WorkerRun {
  result: ConvertSuccess;
  /** Seconds from the start of the process to its end. */
  wall: number;
  /** Most memory of the worker and of the nydus-image processes together, in MiB. */
  rss: number;
  /** Most that was on its disk, in MiB. */
  disk: number;
}

/** Converts with the program that a Job runs, in a process of its own. */
export async function runWorker(request: ConvertRequest, folder: string): Promise<WorkerRun> {
  const terminationMessage = join(folder, 'termination-log');
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [
      MAIN,
      'convert',
      `--request=${JSON.stringify(request)}`,
      `--nydus-image=${toolPath('nydus-image')}`,
      `--termination-message=${terminationMessage}`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = once(child, 'exit');
  const stop = new AbortController();
  const sampled = sample(child.pid ?? 0, request.workDir, stop.signal);
  await ended;
  const wall = (performance.now() - started) / 1000;
  stop.abort();
  const result = ConvertResult.parse(JSON.parse(await readFile(terminationMessage, 'utf8')));
  if (!result.ok) {
    throw new Error(`the conversion failed: ${result.reason}: ${result.message}`);
  }
  return { result, wall, ...(await sampled) };
}

async function sample(pid: number, workDir: string, signal: AbortSignal): Promise<{ rss: number; disk: number }> {
  let [rss, disk] = [0, 0];
  while (!signal.aborted) {
    const pids = [pid, ...(await childrenOf(pid))];
    const memory = await Promise.all(pids.map(residentBytes));
    rss = Math.max(rss, sum(memory));
    disk = Math.max(disk, await bytesBelow(workDir));
    await delay(SAMPLE_MS);
  }
  return { rss: rss / 2 ** 20, disk: disk / 2 ** 20 };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

/** A process that has ended has none. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      ),
    ),
  );
  return sum(sizes);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
