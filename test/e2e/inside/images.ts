import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pushRootfs } from '../../../hack/cluster/images.ts';
import { toolPath } from '../../../hack/tools/locate.ts';
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
      layers.push(await noiseLayer(folder, name, LAYER_MIB));
    }
    await pushRootfs(reference, layers);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Pushes an image with a layer of so many MiB, which no other image has, over a base. */
export async function pushOver(base: string, reference: string, mebibytes: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-e2e-'));
  try {
    const layer = await noiseLayer(folder, 'layer', mebibytes);
    await execute(toolPath('crane'), ['append', '--insecure', '-b', base, '-f', layer, '-t', reference]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes a layer of one file of noise; returns its path. */
async function noiseLayer(folder: string, name: string, mebibytes: number): Promise<string> {
  const tar = join(folder, `${name}.tar`);
  await writeNoise(join(folder, name), mebibytes);
  await execute('tar', ['--create', '--file', tar, '--directory', folder, name]);
  await rm(join(folder, name));
  return tar;
}

async function writeNoise(path: string, mebibytes: number): Promise<void> {
  await using file = await open(path, 'w');
  for (let part = 0; part < mebibytes; part += 1) {
    await file.write(randomBytes(MIB));
  }
}
