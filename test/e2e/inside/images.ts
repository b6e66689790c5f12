import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pushRootfs } from '../../../hack/cluster/images.ts';
import { execute } from '../../../hack/tools/process.ts';

const LAYERS = 4;
const LAYER_MIB = 96;
const MIB = 1024 * 1024;

/** Pushes an image whose conversion takes some seconds: several layers of content that neither compresses nor repeats. */
export async function pushLargeImage(reference: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-e2e-'));
  try {
    const layers = [];
    for (let layer = 0; layer < LAYERS; layer += 1) {
      const name = `layer-${layer}`;
      await writeNoise(join(folder, name));
      await execute('tar', ['--create', '--file', join(folder, `${name}.tar`), '--directory', folder, name]);
      await rm(join(folder, name));
      layers.push(join(folder, `${name}.tar`));
    }
    await pushRootfs(reference, layers);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeNoise(path: string): Promise<void> {
  await using file = await open(path, 'w');
  for (let part = 0; part < LAYER_MIB; part += 1) {
    await file.write(randomBytes(MIB));
  }
}
