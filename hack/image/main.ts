// node hack/image/main.ts --registry HOST[:PORT] --tag TAG: builds the operator's image and pushes it; prints its reference.
import { parseArgs } from 'node:util';
import { createProgress } from '../tools/progress.ts';
import { buildOperatorImage } from './build.ts';

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')));
process.once('SIGTERM', () => interrupted.abort(new Error('terminated')));

const progress = createProgress();
try {
  const { values } = parseArgs({ options: { registry: { type: 'string' }, tag: { type: 'string', default: 'dev' } } });
  if (values.registry === undefined) throw new Error('usage: main.ts --registry HOST[:PORT] [--tag TAG]');
  const { registry, tag } = values;
  console.log(await buildOperatorImage({ registry, tag, progress, signal: interrupted.signal }));
} catch (error) {
  progress.note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
