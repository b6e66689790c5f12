import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toolPath } from '../tools/locate.ts';
import { execute } from '../tools/process.ts';

const MANIFESTS = join(import.meta.dirname, 'manifests');

/** Applies one of the demo's manifests, as a user would with kubectl; `${IMAGE}` in it stands for the image. */
export async function applyManifest(name: string, image: string): Promise<void> {
  const text = (await readFile(join(MANIFESTS, name), 'utf8')).replaceAll('${IMAGE}', image);
  const file = join(tmpdir(), `slipstream-demo-${process.pid}-${name}`);
  await writeFile(file, text);
  await kubectl('apply', '--filename', file);
}

/** Runs kubectl against the cluster that this process is in; gives what it prints. */
export async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await execute(toolPath('kubectl'), args);
  return stdout.trimEnd();
}

/** Asks again and again until the answer is there. Throws with `what` when the time is up. */
export async function eventually<T>(what: string, seconds: number, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) {
      return answer;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${seconds} s: ${what}`);
    }
    await sleep(200);
  }
}
