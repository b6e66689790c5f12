import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import type { BacktestReport } from './backtest-text.ts';
import { runBacktestCommand } from './backtest.ts';
import type { BacktestCommand } from './backtest.ts';
import { pngOf } from './png.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipstream-backtest-'));
});
after(() => rm(directory, { recursive: true, force: true }));

/** Two days with a slow ramp from 10 to 100 each hour, on the minute. */
const RAMPS = Array.from({ length: 2880 }, (_, minute) => `${minute * 60},${10 + 3 * Math.min(30, minute % 60)}`);

async function run(flags: Partial<BacktestCommand>): Promise<string> {
  let written = '';
  const command: BacktestCommand = {
    metrics: '-',
    step: '15s',
    target: '20',
    min: '1',
    max: '20',
    podStart: '30s',
    window: '1m',
    warmTime: '30s',
    threshold: '0.85',
    horizon: '60s',
    cooldown: '5m',
    within: '10m',
    train: '0.5',
    tune: false,
    output: 'text',
    stdin: Readable.from(RAMPS.map((line) => Buffer.from(`${line}\n`))),
    stdout: { write: (text: string) => (written += text) },
    ...flags,
  };
  await runBacktestCommand(command, AbortSignal.timeout(60_000));
  return written;
}

test('a load that comes slowly is foreseen, and one learns how that compares', async () => {
  const report = JSON.parse(await run({ output: 'json' })) as BacktestReport;
  assert.deepEqual(report.judged, { from: '1970-01-02T00:00:07Z', to: '1970-01-02T23:59:00Z' });
  assert.ok((report.slipstream.recall ?? 0) > 0.9);
  assert.ok((report.slipstream.recall ?? 0) > (report.atEvent.recall ?? 1));
  assert.ok((report.slipstream.leadP10 ?? 0) > 0);
  assert.deepEqual([report.atEvent.precision, report.atEvent.leadP10], [null, -30]);
  assert.ok(report.cronTimes.every((time) => /^\d\d:\d\d:\d\d$/.test(time)));
});

test('people get the same as a table with a curve', async () => {
  const text = await run({});
  assert.match(text, /^judged from 1970-01-02T00:00:07Z to 1970-01-02T23:59:00Z: \d+ scale-outs/);
  assert.match(text, /replicas {2}[▁-█]+ \d+/);
  assert.match(text, /slipstream +\d+ of \d+ +[01]\.\d\d /);
  assert.match(text, /A decision is a false alarm if no scale-out follows it within 600 s\.\n$/);
});

test('settings are proposed with the figures of windows that they were not chosen on', async () => {
  const text = await run({ tune: true });
  assert.match(text, /walking forward: chosen on the window before, judged on this one/);
  assert.match(text, /proposed: triggers: \{autoscaler: \{threshold: "[\d.]+", horizon: \d+s\}\}/);
});

test('the plot is a PNG where its name says so, with its text', async () => {
  const path = join(directory, 'plot.png');
  await run({ plot: path });
  const png = await readFile(path);
  assert.deepEqual([...png.subarray(1, 4)].map((code) => String.fromCodePoint(code)).join(''), 'PNG');
  assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [1200, 320]);
  const text = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 20" font-family="sans-serif">';
  const written = await pngOf(`${text}<text y="15">Pods</text></svg>`);
  const empty = await pngOf(`${text}</svg>`);
  assert.ok(written.length > empty.length, 'letters are drawn');
});

test('the plot is an SVG', async () => {
  const path = join(directory, 'plot.svg');
  await run({ plot: path });
  const svg = await readFile(path, 'utf8');
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  assert.ok(!svg.includes('NaN'));
});

test('a wrong flag is said with what would be right', async () => {
  const cases: [Partial<BacktestCommand>, RegExp][] = [
    [{ metrics: undefined }, /say where the load is: --metrics FILE\.csv, or --prometheus URL with --query/],
    [{ prometheus: 'http://prometheus:9090' }, /say where the load is/],
    [{ metrics: undefined, prometheus: 'http://p' }, /--prometheus needs --query, --start and --end/],
    [
      { metrics: undefined, prometheus: 'http://p', query: 'x', start: 'now', end: '2026-01-01' },
      /--start now is not a time/,
    ],
    [{ target: '0' }, /--target 0 is not a number greater than 0/],
    [{ max: '0' }, /--max 0 is not a number from 1 to 10000/],
    [{ podStart: '30' }, /--pod-start 30 is not a duration; write it like 30s/],
    [{ metrics: '/nowhere/load.csv' }, /ENOENT.*load\.csv/],
  ];
  for (const [flags, error] of cases) {
    await assert.rejects(run(flags), error);
  }
});
