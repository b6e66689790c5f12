import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Runs a function while holding an exclusive lock on a file, waiting for whoever holds it. The lock is the kernel's
 * (flock(1) in a child that lives as long as its standard input is open): it ends with this process, however that
 * ends, and is seen across pid namespaces.
 */
export async function withLock<T>(file: string, run: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn('flock', ['--exclusive', file, 'sh', '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = once(holder, 'exit');
  try {
    const [first] = (await Promise.race([once(holder.stdout, 'data'), gone])) as [unknown];
    if (!Buffer.isBuffer(first)) throw new Error(`cannot lock ${file}: flock ended with ${String(first)}`);
    holder.stdout.resume();
    return await run();
  } finally {
    holder.stdin.end();
    await gone;
  }
}
