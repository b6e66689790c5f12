// node hack/tools/main.ts [BINARY…]: gets these tools into the cache; when none are named, all of them, and the Debian packages that
// the tests need.
import { ensurePackages } from './debian.ts';
import { ensureTools } from './ensure.ts';
import { cacheDirectory } from './locate.ts';
import { TEST_PACKAGES } from './packages.ts';
import { createProgress } from './progress.ts';

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')));
process.once('SIGTERM', () => interrupted.abort(new Error('terminated')));

const names = process.argv.slice(2);
const progress = createProgress();
try {
  const all = names.length === 0;
  await progress.step(`tools in ${cacheDirectory()}`, async () => {
    if (all) await ensurePackages(TEST_PACKAGES, progress, interrupted.signal);
    await ensureTools(all ? undefined : names, { progress, signal: interrupted.signal });
  });
} catch (error) {
  progress.note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
