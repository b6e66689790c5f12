import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchmarkRun } from '../../test/bench/results.ts';
import type { Figure } from '../figures.ts';
import { code, table } from './markdown.ts';
import { writeOrCheck } from './outputs.ts';

const RESULTS = join(import.meta.dirname, '../../test/bench/results');

const HEADER =
  '<!-- Generated from test/bench/results by hack/generate/benchmarks.ts. Do not edit: run "make bench" and "make generate". -->';

/** What the figures are read against; a figure without one is there to be known. */
const GOALS: Readonly<Record<string, string>> = {
  'admission.handler.p99 300/s': '≤ 5',
  'admission.handler.p999 300/s': '≤ 20',
  'admission.rss': '≤ 200',
  'admission.failOpen': '0',
  'admission.errors handler': '0',
  'admission.errors API server': '0',
  'convert.wall.ratio.floor': '≤ 1.25',
  'convert.wall.ratio.plain': '≤ 0.6',
  'convert.second.bytes.ratio': '≤ 0.03',
  'convert.second.wall': '≤ 2',
  'convert.worker.rss': '≤ 256',
  ...Object.fromEntries(
    [1, 5, 20].flatMap((pullers) => [
      [`scaleout.originBytes.ratio slipstream N=${pullers}`, '≤ 1.1'],
      [`prefetch.originBytesAfterEvent.ratio N=${pullers}`, '≤ 0.02'],
    ]),
  ),
  'prefetch.before.ratio': '≥ 0.9',
  'prefetch.falseAlarm.ratio': '≤ 0.2',
  'index.build': '≤ 3',
  'index.update object': '≤ 1',
  ...Object.fromEntries(
    ['nasa', 'elb', 'tweets'].flatMap((trace) => [
      [`backtest.precision ${trace} slipstream`, '≥ 0.8, ≥ cron'],
      [`backtest.recall ${trace} slipstream`, '> at-event, > cron'],
    ]),
  ),
};

/** The newest run of each benchmark; the names of the files begin with the time. */
async function newest(): Promise<BenchmarkRun[]> {
  const runs = new Map<string, BenchmarkRun>();
  for (const file of (await readdir(RESULTS)).filter((name) => name.endsWith('.json')).toSorted()) {
    const run = JSON.parse(await readFile(join(RESULTS, file), 'utf8')) as BenchmarkRun;
    runs.set(run.benchmark, run);
  }
  return [...runs.values()].toSorted((left, right) => left.benchmark.localeCompare(right.benchmark));
}

function section({ benchmark, date, commit, machine, figures }: BenchmarkRun): string {
  const { cores, memoryGiB, kernel, architecture, cpu } = machine;
  const rows = figures.map((one) => [
    code(one.figure),
    one.at ?? '',
    valueOf(one),
    one.unit,
    baselineOf(one),
    goalOf(one),
  ]);
  return [
    `## ${benchmark}`,
    `${code(`make bench-${benchmark}`)} on ${date.slice(0, 10)} at ${code(commit)}: ${cores} cores (${cpu}, ${architecture}), ` +
      `${memoryGiB} GiB, Linux ${kernel}, everything on this one machine.`,
    table(['Figure', 'At', 'Median (least to most, runs)', 'Unit', 'Baseline (ratio)', 'Goal'], rows),
  ].join('\n\n');
}

function valueOf({ value, min, max, runs }: Figure): string {
  return runs === 1 ? String(value) : `${value} (${min} to ${max}, ${runs})`;
}

function baselineOf({ baseline, ratio }: Figure): string {
  return baseline === null ? '' : `${baseline} (${ratio})`;
}

function goalOf({ figure, at }: Figure): string {
  return GOALS[`${figure} ${at}`] ?? GOALS[figure] ?? '';
}

const page = [
  HEADER,
  '# Benchmarks',
  'Each benchmark prints one line of JSON per figure and keeps them in `test/bench/results/`. `make demo` measures starts, conversion and ' +
    'prefetching in a whole cluster and writes `demo.json`.',
  ...(await newest()).map(section),
].join('\n\n');
await writeOrCheck(new Map([['docs/benchmarks.md', `${page}\n`]]));
