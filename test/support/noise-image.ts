import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { busyboxRootfs, pushRootfs } from '../../hack/cluster/images.ts';
import { REGISTRY } from '../../hack/cluster/layout.ts';
import { toolPath } from '../../hack/tools/locate.ts';
import { execute } from '../../hack/tools/process.ts';
import { convert } from '../../src/converter/convert.ts';
import { ConvertRequest } from '../../src/converter/options.ts';
import { RegistryClient } from '../../src/registry/client.ts';

const MIB = 1024 * 1024;

/** Pushes BusyBox with a file `/noise` of so many MiB that neither compress nor repeat to a cluster's registry. */
export async function pushNoiseImage(reference: string, mebibytes: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-noise-'));
  try {
    await using file = await open(join(folder, 'noise'), 'w');
    for (let part = 0; part < mebibytes; part += 1) {
      await file.write(randomBytes(MIB));
    }
    const tar = join(folder, 'noise.tar');
    await execute('tar', ['--create', '--file', tar, '--directory', folder, 'noise']);
    await pushRootfs(reference, [await busyboxRootfs(), tar], { cmd: ['/bin/sh'], env: { PATH: '/bin' } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Converts an image of a cluster's registry to Nydus, without an operator; gives the artifact's reference. */
export async function convertInPlace(source: string): Promise<string> {
  const workDir = await mkdtemp(join(tmpdir(), 'slipstream-convert-'));
  const registries = { [REGISTRY]: { plainHTTP: true } };
  const registry = new RegistryClient({ registries, userAgent: 'slipstream-test' });
  const target = `${source}-nydus`;
  try {
    const request = ConvertRequest.parse({
      source,
      target,
      platforms: [process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'],
      format: 'RafsV6',
      compressor: 'zstd',
      prefetchPaths: [],
      optionsHash: 'noise',
      workDir,
      registries,
    });
    const log = pino({ level: 'silent' });
    const nydusImage = toolPath('nydus-image');
    const dependencies = { registry, credentials: {}, log, nydusImage, onProgress: () => undefined };
    const result = await convert(request, dependencies, new AbortController().signal);
    if (!result.ok) {
      throw new Error(`the conversion of ${source} failed: ${result.reason}: ${result.message}`);
    }
    return `${target}@${result.digest}`;
  } finally {
    await registry.close();
    await rm(workDir, { recursive: true, force: true });
  }
}
