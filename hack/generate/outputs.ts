import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** Repository-relative path → what the file must hold. */
export type Outputs = Map<string, string>;

/**
 * What every generator does with its outputs: writes them, or, called with `--check`, names those that differ from what is
 * committed and sets a failing exit code.
 */
export async function writeOrCheck(outputs: Outputs): Promise<void> {
  const check = process.argv.includes('--check');
  for (const [path, wanted] of outputs) {
    const file = join(ROOT, path);
    if ((await readFile(file, 'utf8').catch(() => undefined)) === wanted) continue;
    if (check) {
      console.error(`${path} is not what its generator makes: run "make generate" and commit the result`);
      process.exitCode = 1;
      continue;
    }
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, wanted);
    console.log(`wrote ${path}`);
  }
}
