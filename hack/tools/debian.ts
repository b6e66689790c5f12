import { execute, runLogged } from './process.ts';
import { withLock } from './lock.ts';
import { cacheDirectory } from './locate.ts';
import type { Progress } from './progress.ts';

async function missing(packages: string[]): Promise<string[]> {
  const format = '${db:Status-Abbrev} ${Package}\n';
  // dpkg-query exits with 1 when it does not know one of them, and still lists the others.
  const { stdout } = await execute('dpkg-query', ['--show', `--showformat=${format}`, ...packages]).catch(
    (error: { stdout?: string; code?: unknown }) => {
      if (error.code === 'ENOENT') {
        throw new Error(`this is no Debian system; install these yourself: ${packages.join(' ')}`);
      }
      return { stdout: error.stdout ?? '' };
    },
  );
  const installed = new Set([...stdout.matchAll(/^ii +(\S+)$/gm)].map((match) => match[1]));
  return packages.filter((name) => !installed.has(name));
}

/** Installs those of the Debian packages that are not there. Needs root only when one is missing. */
export async function ensurePackages(packages: string[], progress: Progress, signal?: AbortSignal): Promise<void> {
  if ((await missing(packages)).length === 0) return;
  await withLock(`${cacheDirectory()}/locks/apt`, async () => {
    const names = await missing(packages);
    if (names.length === 0) return;
    const log = `${cacheDirectory()}/logs/apt.log`;
    const options = { log, env: { DEBIAN_FRONTEND: 'noninteractive' }, signal };
    await progress.step(`installing Debian packages ${names.join(' ')}`, async () => {
      await runLogged('apt-get', ['update'], options);
      await runLogged('apt-get', ['install', '--yes', '--no-install-recommends', ...names], options);
    });
  });
}
