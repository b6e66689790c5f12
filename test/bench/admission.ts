/**
 * Latency of the admission webhook, and cost of its index, with 10,000 AcceleratedImages and 1,000 nodes.
 * Options: `--runs` (5), `--seconds` of each (12).
 */
import { parseArgs } from 'node:util';
import { measureHandler } from './admission/handler.ts';
import { measureIndex } from './admission/index-cost.ts';
import { measurePodCreate } from './admission/pod-create.ts';

const IMAGES = 10_000;
const NODES = 1000;

const { values } = parseArgs({ options: { runs: { type: 'string' }, seconds: { type: 'string' } } });
const runs = Number(values.runs ?? 5);
const seconds = Number(values.seconds ?? 12);

for (const figures of [
  measureIndex(IMAGES, NODES, runs),
  await measureHandler(IMAGES, NODES, runs, seconds),
  await measurePodCreate(IMAGES, NODES, runs, seconds),
]) {
  for (const one of figures) {
    console.log(JSON.stringify(one));
  }
}
