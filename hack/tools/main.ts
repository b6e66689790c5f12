// node hack/tools/main.ts [BINARY…]: gets the tools (all, when none are named) into the cache.
import { ensureTools } from './ensure.ts';
import { cacheDirectory } from './locate.ts';
import { createProgress } from './progress.ts';

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')));
process.once('SIGTERM', () => interrupted.abort(new Error('terminated')));

const names = process.argv.slice(2);
const progress = createProgress();
try {
  await progress.step(`tools in ${cacheDirectory()}`, () =>
    ensureTools(names.length > 0 ? names : undefined, { progress, signal: interrupted.signal }),
  );
} catch (error) {
  progress.note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
