import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { REGISTRY } from '../../hack/cluster/layout.ts';
import { toolPath } from '../../hack/tools/locate.ts';
import { convert } from '../../src/converter/convert.ts';
import { ConvertRequest } from '../../src/converter/options.ts';
import { RegistryClient } from '../../src/registry/client.ts';

/** Converts an image of the cluster's registry past the API, which refuses a list of the whole image; gives the artifact's reference. */
export async function convertDirectly(
  source: string,
  target: string,
  prefetchPaths: readonly string[] = [],
): Promise<string> {
  const workDir = await mkdtemp(join(tmpdir(), 'slipstream-bench-'));
  const registries = { [REGISTRY]: { plainHTTP: true } };
  const registry = new RegistryClient({ registries, userAgent: 'slipstream-bench' });
  try {
    const request = ConvertRequest.parse({
      source,
      target,
      platforms: [process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'],
      format: 'RafsV6',
      compressor: 'zstd',
      prefetchPaths,
      optionsHash: 'bench',
      workDir,
      registries,
    });
    const result = await convert(
      request,
      {
        registry,
        credentials: {},
        log: pino({ level: 'silent' }),
        nydusImage: toolPath('nydus-image'),
        onProgress: () => undefined,
      },
      new AbortController().signal,
    );
    if (!result.ok) {
      throw new Error(`the conversion failed: ${result.reason}: ${result.message}`);
    }
    return `${target}@${result.digest}`;
  } finally {
    await registry.close();
    await rm(workDir, { recursive: true, force: true });
  }
}
