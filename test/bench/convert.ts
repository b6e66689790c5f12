/**
 * node test/bench/convert.ts: what a conversion takes, against the least that the machine can do and against doing one step after
 * another, and what layer reuse and the chunk dictionary save. Real worker, registry and nydus-image. Options: `--sizes` (1,3),
 * in GB as stored in the registry, and `--runs` of each (3, and 1 of the big image). The images are made once and kept in the cache.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { figure, relativeFigure, type Figure } from '../../hack/figures.ts';
import { makeLayout } from '../../hack/demo/oci-layout.ts';
import { toolPath } from '../../hack/tools/locate.ts';
import { execute } from '../../hack/tools/process.ts';
import { createProgress } from '../../hack/tools/progress.ts';
import { ConvertRequest } from '../../src/converter/options.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { isIndex } from '../../src/registry/schema.ts';
import { startDistribution } from '../support/distribution.ts';
import { versions, type Layers } from './convert/images.ts';
import { PAIR, pythonStacks } from './convert/stacks.ts';
import { cpuFloor, stepAfterStep } from './convert/steps.ts';
import { runWorker, type WorkerRun } from './convert/worker.ts';

const { values } = parseArgs({ options: { runs: { type: 'string' }, sizes: { type: 'string' } } });
const runsOf = (gigabytes: number): number => Number(values.runs ?? (gigabytes > 2 ? 1 : 3));
const sizes = (values.sizes ?? '1,3').split(',').map(Number);

const folder = await mkdtemp(join(tmpdir(), 'slipstream-bench-convert-'));
try {
  await using distribution = await startDistribution(folder);
  const { host } = new URL(distribution.url);
  const registry = new RegistryClient({ registries: { [host]: { plainHTTP: true } }, userAgent: 'slipstream/bench' });
  try {
    for (const size of sizes) {
      await measureSize(size, host, registry);
    }
    await measureDeduplication(host);
  } finally {
    await registry.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measureSize(gigabytes: number, host: string, registry: RegistryClient): Promise<void> {
  const at = `${gigabytes}GB`;
  const name = `app-${gigabytes}gb`;
  const [first, second] = await versions(gigabytes);
  await push(first, `${host}/${name}:1`);
  await push(second, `${host}/${name}:2`);
  const { manifest } = await registry.manifest({ registry: host, repository: name, tag: '1' });
  if (isIndex(manifest)) {
    throw new Error(`${name}:1 is an index`);
  }
  const [floors, plains]: [number[], number[]] = [[], []];
  const [whole, updates]: [WorkerRun[], WorkerRun[]] = [[], []];
  for (let run = 0; run < runsOf(gigabytes); run += 1) {
    // A repository of its own, where nothing is yet.
    const target = `${host}/${name}-${run}`;
    whole.push(await convert(host, `${host}/${name}:1`, `${target}:1-nydus`));
    const plainTarget = { registry: host, repository: `${name}-plain-${run}` };
    const source = { registry: host, repository: name };
    plains.push(await stepAfterStep(registry, source, plainTarget, manifest.layers, folder));
    floors.push(await cpuFloor(first, folder));
    updates.push(await convert(host, `${host}/${name}:2`, `${target}:2-nydus`, { reuse: [`${target}:1-nydus`] }));
  }
  const walls = whole.map(({ wall }) => wall);
  const ratio = (updated: WorkerRun, i: number): number => traffic(updated) / traffic(whole[i]);
  print([
    relativeFigure('convert.wall.ratio.floor', walls, floors, at),
    relativeFigure('convert.wall.ratio.plain', walls, plains, at),
    figure('convert.second.bytes.ratio', '×', updates.map(ratio), at),
    figure(
      'convert.second.wall',
      's',
      updates.map(({ wall }) => wall),
      at,
    ),
    figure(
      'convert.worker.rss',
      'MiB',
      whole.map(({ rss }) => rss),
      at,
    ),
    figure(
      'convert.worker.disk',
      'MiB',
      whole.map(({ disk }) => disk),
      at,
    ),
  ]);
}

/** Bytes saved by layer reuse, and by the dictionary on top, as shares of what the second version would push without. */
async function measureDeduplication(host: string): Promise<void> {
  const [first, second] = await pythonStacks(createProgress());
  await push(first, `${host}/stack:1`);
  await push(second, `${host}/stack:2`);
  const source = `${host}/stack:2`;
  const anew = await convert(host, source, `${host}/stack-anew:2-nydus`);
  const dictionary = { chunkDictionary: { from: 'PreviousVersion' } } as const;
  const pushed = async (repository: string, options: Partial<ConvertRequest>): Promise<number> => {
    await convert(host, `${host}/stack:1`, `${host}/${repository}:1-nydus`, options);
    const reuse = [`${host}/${repository}:1-nydus`];
    const { result } = await convert(host, source, `${host}/${repository}:2-nydus`, { ...options, reuse });
    return result.bytesPushed;
  };
  const saved = (bytes: number): number => 1 - bytes / anew.result.bytesPushed;
  const layers = saved(await pushed('stack-layers', {}));
  const both = saved(await pushed('stack-chunks', dictionary));
  print([
    figure('convert.dedup.layers', '×', [layers], PAIR),
    figure('convert.dedup.chunks', '×', [both - layers], PAIR),
    figure('convert.dedup.both', '×', [both], PAIR),
  ]);
}

async function convert(
  host: string,
  source: string,
  target: string,
  options: Partial<ConvertRequest> = {},
): Promise<WorkerRun> {
  const workDir = join(folder, 'work');
  await mkdir(workDir, { recursive: true });
  const request = ConvertRequest.parse({
    source,
    target,
    platforms: ['linux/amd64'],
    format: 'RafsV6',
    compressor: 'zstd',
    prefetchPaths: [],
    optionsHash: 'bench',
    workDir,
    registries: { [host]: { plainHTTP: true } },
    ...options,
  });
  return await runWorker(request, folder);
}

async function push(layers: Layers, reference: string): Promise<void> {
  const layout = await makeLayout(layers, { Env: [`VERSION=${reference.slice(reference.lastIndexOf(':'))}`] });
  await execute(toolPath('crane'), ['push', '--insecure', layout, reference]);
}

function traffic(run: WorkerRun | undefined): number {
  return run === undefined ? Number.NaN : run.result.bytesRead + run.result.bytesPushed;
}

function print(figures: readonly Figure[]): void {
  for (const one of figures) {
    console.log(JSON.stringify(one));
  }
}
