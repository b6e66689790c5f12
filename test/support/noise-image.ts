import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs, pushRootfs } from '../../hack/cluster/images.ts';
import { execute } from '../../hack/tools/process.ts';

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
