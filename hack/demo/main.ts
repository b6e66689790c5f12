// node hack/demo/main.ts: shows the whole product at work, for real, and writes what it measured to demo.json.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInFreshCluster } from '../cluster/fresh.ts';
import { CLUSTER_TOOLS, DRAGONFLY_TOOLS } from '../cluster/prepare.ts';
import { prepareOperatorImage } from '../image/build.ts';
import { ensureTools, isCached } from '../tools/ensure.ts';
import { createProgress } from '../tools/progress.ts';
import type { Figure } from '../figures.ts';
import { makeInferenceImage } from './image.ts';

const ROOT = join(import.meta.dirname, '../..');
const progress = createProgress();
const work = await mkdtemp(join(tmpdir(), 'slipstream-demo-'));
const output = join(work, 'figures');
try {
  await writeFile(output, '');
  // Side by side: the image is made of what comes over the network, the tools of what the compilers make.
  await Promise.all([ensureTools(['helm', ...CLUSTER_TOOLS], { progress }), makeInferenceImage(progress)]);
  // Out here, where packages can be had: the cluster's namespaces reach nothing else.
  await prepareOperatorImage({ progress });
  // They take longest to build, and the first half of the demo needs only the rest.
  if (isCached(DRAGONFLY_TOOLS)) {
    await inFreshCluster('start,scale-out', ['--seed']);
  } else {
    await inFreshCluster('start', []);
    await table();
    progress.note('\n▸ The second half needs Dragonfly, which is built once');
    await ensureTools(DRAGONFLY_TOOLS, { progress });
    await inFreshCluster('scale-out', ['--seed']);
  }
  await table();
} catch (error) {
  progress.note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  await rm(work, { recursive: true, force: true });
}

async function inFreshCluster(phases: string, options: string[]): Promise<void> {
  const inside = join(import.meta.dirname, 'inside.ts');
  await runInFreshCluster(['--name', 'demo', '--nodes', '2', ...options], [inside, phases, output]);
}

/** Prints what was measured so far, and writes it to demo.json. */
async function table(): Promise<void> {
  const lines = (await readFile(output, 'utf8')).trim().split('\n');
  const figures = new Map(lines.map((line) => JSON.parse(line) as Figure).map((one) => [one.figure, one]));
  progress.note('');
  for (const { figure, value, unit, runs, min, max } of figures.values()) {
    const spread = runs > 1 ? `(${runs} runs, ${min} to ${max})` : '';
    progress.note(`  ${figure.padEnd(36)} ${String(value).padStart(12)} ${unit.padEnd(2)} ${spread}`);
  }
  await writeFile(join(ROOT, 'demo.json'), `${JSON.stringify([...figures.values()], undefined, 2)}\n`);
}
