// node hack/image/main.ts [--registry HOST[:PORT]] [--tag dev]: builds the operator's image into the cache, pushes it if a
// registry is named, and prints where it is.
import { parseArgs } from 'node:util';
import { createProgress } from '../tools/progress.ts';
import { buildOperatorImage, prepareOperatorImage } from './build.ts';

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')));
process.once('SIGTERM', () => interrupted.abort(new Error('terminated')));

const progress = createProgress();
try {
  const { values } = parseArgs({ options: { registry: { type: 'string' }, tag: { type: 'string', default: 'dev' } } });
  const { registry, tag } = values;
  const options = { progress, signal: interrupted.signal };
  console.log(
    registry === undefined
      ? await prepareOperatorImage(options)
      : await buildOperatorImage({ registry, tag, ...options }),
  );
} catch (error) {
  progress.note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
