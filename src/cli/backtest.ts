import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { backtest } from '../backtest/backtest.ts';
import { parseCsv } from '../backtest/csv.ts';
import { resample } from '../backtest/load.ts';
import type { Measurement } from '../backtest/load.ts';
import { plot } from '../backtest/plot.ts';
import { duration, parseBacktestFlags } from './backtest-options.ts';
import type { BacktestFlags } from './backtest-options.ts';
import { reportOfBacktest, renderBacktest } from './backtest-text.ts';
import { queryRange } from '../prometheus/range.ts';
import { pngOf } from './png.ts';

/** Arguments of the `backtest` command. */
export interface BacktestCommand extends BacktestFlags {
  /** CSV file with the load; not with `prometheus`. `-` is standard input. */
  readonly metrics?: string | undefined;
  readonly prometheus?: string | undefined;
  readonly query?: string | undefined;
  /** RFC 3339. */
  readonly start?: string | undefined;
  readonly end?: string | undefined;
  readonly step: string;
  /** File for a plot: a PNG where its name ends in .png, else an SVG. */
  readonly plot?: string | undefined;
  readonly output: 'text' | 'json';
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: { write(text: string): unknown };
}

const MAX_BYTES = 256 * 1024 * 1024;

/**
 * Writes how well a PrefetchPolicy would have foreseen the scale-outs of a load, beside two baselines.
 * @throws Error saying what is wrong with a flag, a file or an answer, and what to do
 */
export async function runBacktestCommand(command: BacktestCommand, signal: AbortSignal): Promise<void> {
  const options = parseBacktestFlags(command);
  const load = resample(await measurements(command, signal));
  const result = backtest(load, options);
  if (command.plot !== undefined) {
    const svg = plot(result);
    await writeFile(command.plot, command.plot.endsWith('.png') ? await pngOf(svg) : svg, { signal });
  }
  const report = reportOfBacktest(result, options);
  command.stdout.write(
    command.output === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : renderBacktest(report, result),
  );
}

async function measurements(command: BacktestCommand, signal: AbortSignal): Promise<Measurement[]> {
  const { metrics, prometheus, query, start, end, step, stdin } = command;
  if ((metrics === undefined) === (prometheus === undefined)) {
    throw new Error('say where the load is: --metrics FILE.csv, or --prometheus URL with --query');
  }
  if (metrics !== undefined) {
    const from = metrics === '-' ? 'standard input' : metrics;
    return parseCsv(await readText(metrics === '-' ? stdin : createReadStream(metrics, { signal }), from), from);
  }
  if (prometheus === undefined || query === undefined || start === undefined || end === undefined) {
    throw new Error('--prometheus needs --query, --start and --end');
  }
  const [from, to, stepMs] = [time('start', start), time('end', end), duration('step', step)];
  if (from >= to || stepMs < 1000) {
    throw new Error('--start must lie before --end, and --step be one second or more');
  }
  return await queryRange({ url: prometheus }, { query, from, to, stepMs }, signal);
}

async function readText(stream: NodeJS.ReadableStream, from: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.byteLength;
    if (bytes > MAX_BYTES) {
      throw new Error(`${from} is larger than ${MAX_BYTES / 1024 / 1024} MiB: take a part of it`);
    }
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function time(flag: string, text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new Error(`--${flag} ${text} is not a time; write it like 2026-01-31T08:00:00Z`);
  }
  return at;
}
