import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { glob, stat } from 'node:fs/promises';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** What the Dockerfile builds from, as .dockerignore lets it through. */
const SOURCES = ['Dockerfile', '.dockerignore', 'package.json', 'package-lock.json', 'LICENSE', 'src/**'];

/** Digest of some texts and of the contents of files: 12 hex digits, the same for the same input. */
export async function digestOf(texts: readonly string[], files: readonly string[] = []): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(texts));
  for (const file of files) {
    hash.update(`\0${file}\0`);
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  }
  return hash.digest('hex').slice(0, 12);
}

/** Absolute paths of the files that go into the image, sorted. */
export async function sourceFiles(): Promise<string[]> {
  const files: string[] = [];
  for await (const path of glob(SOURCES, { cwd: ROOT })) {
    const file = join(ROOT, path);
    if (!path.endsWith('.test.ts') && (await stat(file)).isFile()) files.push(file);
  }
  return files.toSorted();
}
