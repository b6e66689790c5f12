import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDirectory } from '../tools/locate.ts';
import { execute, runLogged } from '../tools/process.ts';

/** buildah with a storage of its own, which the machine's other images never meet. */
export interface Buildah {
  /** Runs a command with its output in a log. Throws with the end of the log. */
  run(args: string[]): Promise<void>;
  /** Runs a command and returns the one line that it prints. */
  line(args: string[]): Promise<string>;
  /** Whether an image of that name is in the storage. */
  has(image: string): Promise<boolean>;
}

/** buildah as the build uses it; `log` takes what it prints. */
export async function openBuildah(log: string, signal: AbortSignal | undefined): Promise<Buildah> {
  const storage = join(cacheDirectory(), 'buildah');
  await mkdir(storage, { recursive: true });
  const global = ['--root', storage, '--runroot', join(tmpdir(), 'slipstream-buildah')];
  return {
    run: (args) => runLogged('buildah', [...global, ...args], { log, signal }),
    async line(args) {
      return (await execute('buildah', [...global, ...args], { signal })).stdout.trim();
    },
    async has(image) {
      const { stdout } = await execute('buildah', [...global, 'images', '--quiet', '--filter', `reference=${image}`]);
      return stdout.trim() !== '';
    },
  };
}
