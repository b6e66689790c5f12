/**
 * Latency of the admission webhook, and cost of its index, with 10,000 AcceleratedImages and 1,000 nodes.
 * Options: `--runs` (5), `--seconds` of each (12).
 */
import { parseArgs } from 'node:util';
import type { Figure } from '../../hack/figures.ts';
import { measureHandler } from './admission/handler.ts';
import { measureIndex } from './admission/index-cost.ts';
import { measurePodCreate } from './admission/pod-create.ts';

const IMAGES = 10_000;
const NODES = 1000;

const { values } = parseArgs({ options: { runs: { type: 'string' }, seconds: { type: 'string' } } });
const runs = Number(values.runs ?? 5);
const seconds = Number(values.seconds ?? 12);

print(measureIndex(IMAGES, NODES, runs));
print(await measureHandler(IMAGES, NODES, runs, seconds));
print(await measurePodCreate(IMAGES, NODES, runs, seconds));

function print(figures: readonly Figure[]): void {
  for (const one of figures) {
    console.log(JSON.stringify(one));
  }
}
