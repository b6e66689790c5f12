/**
 * node test/bench/main.ts [benchmark…] [--option=value…]: runs the named benchmarks (all, when none is named) with these
 * options, prints their figures and keeps them, with date, commit and machine, in a file of test/bench/results/.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { arch, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Figure } from '../../hack/figures.ts';
import type { BenchmarkRun } from './results.ts';

const BENCHMARKS = ['admission', 'backtest', 'build', 'convert', 'node-fallback', 'prefetch', 'prefetch-list'];

const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const unknown = names.find((name) => !BENCHMARKS.includes(name));
if (unknown !== undefined) {
  throw new Error(`there is no benchmark ${unknown}; there are ${BENCHMARKS.join(', ')}`);
}
for (const name of names.length === 0 ? BENCHMARKS : names) {
  await keep(name, await run(name));
}

async function run(name: string): Promise<Figure[]> {
  // It ends with this process, and what it started with it.
  const program = ['--pdeathsig', 'TERM', '--', process.execPath, join(import.meta.dirname, `${name}.ts`), ...options];
  const child = spawn('setpriv', program, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const figures: Figure[] = [];
  for await (const line of createInterface(child.stdout)) {
    console.log(line);
    figures.push(JSON.parse(line) as Figure);
  }
  const [code] = (await ended) as [number | null];
  if (code !== 0) {
    throw new Error(`the benchmark ${name} failed (${code}); see above`);
  }
  return figures;
}

async function keep(benchmark: string, figures: Figure[]): Promise<void> {
  const date = new Date().toISOString();
  const result: BenchmarkRun = {
    benchmark,
    date,
    commit: git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '-dirty'),
    machine: {
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      architecture: arch(),
      cpu: model(),
    },
    figures,
  };
  const file = `${date.slice(0, 19).replaceAll(':', '')}-${benchmark}.json`;
  const results = join(import.meta.dirname, 'results');
  await mkdir(results, { recursive: true });
  await writeFile(join(results, file), `${JSON.stringify(result, undefined, 2)}\n`);
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}

function model(): string {
  return /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown';
}
