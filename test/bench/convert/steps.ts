import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { toolPath } from '../../../hack/tools/locate.ts';
import { createArguments } from '../../../src/converter/nydusimage.ts';
import type { RegistryClient } from '../../../src/registry/client.ts';
import type { Repository } from '../../../src/registry/reference.ts';
import type { Descriptor } from '../../../src/registry/schema.ts';

/**
 * Seconds that no conversion can be faster than on this machine: CPU time of decompressing the layers and of nydus-image on them,
 * divided by the cores. Nothing is downloaded, checked or pushed.
 */
export async function cpuFloor(layers: readonly string[], folder: string): Promise<number> {
  const [tar, blob] = [join(folder, 'floor.tar'), join(folder, 'floor.blob')];
  let seconds = 0;
  for (const layer of layers) {
    await pipeline(createReadStream(layer), createGunzip(), createWriteStream(tar));
    const before = process.cpuUsage();
    await pipeline(createReadStream(layer), createGunzip({ chunkSize: 64 * 1024 }), discard());
    const { user, system } = process.cpuUsage(before);
    seconds += (user + system) / 1e6 + (await cpuOf(toolPath('nydus-image'), argumentsFor(tar, blob, folder)));
  }
  await Promise.all([tar, blob].map((path) => rm(path, { force: true })));
  return seconds / cpus().length;
}

/**
 * Seconds of a conversion as scripts do it: each layer is downloaded, then decompressed, then built, then pushed, and then comes
 * the next.
 */
export async function stepAfterStep(
  registry: RegistryClient,
  source: Repository,
  target: Repository,
  layers: readonly Descriptor[],
  folder: string,
): Promise<number> {
  const [gz, tar, blob] = [join(folder, 'plain.tar.gz'), join(folder, 'plain.tar'), join(folder, 'plain.blob')];
  const started = performance.now();
  for (const layer of layers) {
    await pipeline(await registry.blob(source, layer), createWriteStream(gz));
    await pipeline(createReadStream(gz), createGunzip({ chunkSize: 64 * 1024 }), createWriteStream(tar));
    const build = promisify(execFile)(toolPath('nydus-image'), argumentsFor(tar, blob, folder));
    // It reads paths to prefetch to the end of its input.
    build.child.stdin?.end();
    await build;
    const digest = await digestOf(blob);
    const upload = await registry.startUpload(target);
    for await (const chunk of createReadStream(blob, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      await upload.write(chunk);
    }
    await upload.commit(digest);
  }
  const seconds = (performance.now() - started) / 1000;
  await Promise.all([gz, tar, blob].map((path) => rm(path, { force: true })));
  return seconds;
}

function argumentsFor(tar: string, blob: string, folder: string): string[] {
  const report = join(folder, 'report.json');
  return createArguments({ tar, blob, report, fsVersion: '6', compressor: 'zstd' });
}

/** CPU seconds of a program. Node.js tells nothing of its children's, a shell does. */
async function cpuOf(program: string, args: readonly string[]): Promise<number> {
  const script = 'TIMEFORMAT="%U %S"; time "$0" "$@" </dev/null >/dev/null 2>&1';
  const { stderr } = await promisify(execFile)('bash', ['-c', script, program, ...args]);
  const [user = 0, system = 0] = stderr.trim().split(' ').map(Number);
  return user + system;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest('hex')}`;
}

function discard(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
