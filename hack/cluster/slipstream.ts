import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildOperatorImage } from '../image/build.ts';
import { toolPath } from '../tools/locate.ts';
import { execute } from '../tools/process.ts';
import type { Progress } from '../tools/progress.ts';
import { REGISTRY } from './layout.ts';
import { SEED } from './seed.ts';

const CHART = fileURLToPath(new URL('../../charts/slipstream', import.meta.url));
const RELEASE = 'slipstream';

/** Namespace that {@link installSlipstream} installs into. */
export const NAMESPACE = 'slipstream-system';

/**
 * Installs Slipstream by Helm from its own image into the cluster that this process is in, and waits until it serves. The
 * image must have been prepared (prepareOperatorImage): nothing here reaches further than the cluster.
 */
export async function installSlipstream(progress: Progress): Promise<void> {
  const reference = await progress.step('slipstream: image', () =>
    buildOperatorImage({ registry: REGISTRY, tag: 'dev', progress }),
  );
  const [repository, digest] = reference.split('@');
  const values = {
    image: { repository: repository?.replace(/:dev$/, ''), digest },
    registries: [{ host: REGISTRY, plainHTTP: true }],
    providers: [{ name: 'default', type: 'seedPeers', endpoints: [SEED.url] }],
  };
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-values-'));
  try {
    const file = join(folder, 'values.json');
    await writeFile(file, JSON.stringify(values));
    const where = ['--namespace', NAMESPACE, '--create-namespace', '--values', file];
    await progress.step('slipstream: helm install', () =>
      execute(toolPath('helm'), ['upgrade', '--install', RELEASE, CHART, ...where, '--wait', '--timeout', '3m']),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}
