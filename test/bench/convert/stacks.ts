import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeInferenceImage } from '../../../hack/demo/image.ts';
import { cacheDirectory } from '../../../hack/tools/locate.ts';
import { execute } from '../../../hack/tools/process.ts';
import type { Progress } from '../../../hack/tools/progress.ts';
import type { Layers } from './images.ts';

/** A stack of Python packages for data science, and the same half a year later: patch releases, as a bot proposes them. */
const RELEASES = [
  ['numpy==2.2.4', 'scipy==1.15.2', 'pandas==2.2.2', 'scikit-learn==1.6.1', 'pillow==11.1.0', 'lxml==5.3.1'],
  ['numpy==2.2.5', 'scipy==1.15.2', 'pandas==2.2.3', 'scikit-learn==1.6.1', 'pillow==11.1.0', 'lxml==5.3.2'],
];
export const PAIR = 'python stack, 3 of 6 packages updated';

/** Two versions of an image on the same Debian, with all packages in one layer, as `pip install -r` makes it. */
export async function pythonStacks(progress: Progress): Promise<[Layers, Layers]> {
  const { layers } = await makeInferenceImage(progress);
  const [base = ''] = layers;
  const [first = '', second = ''] = await Promise.all(RELEASES.map(packagesLayer));
  return [
    [base, first],
    [base, second],
  ];
}

async function packagesLayer(packages: readonly string[]): Promise<string> {
  const folder = join(cacheDirectory(), 'images', 'bench-python');
  const path = join(folder, `${packages.join('_').replaceAll('==', '-')}.tar.gz`);
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true });
    const work = await mkdtemp(join(tmpdir(), 'slipstream-stack-'));
    const draft = `${path}.${process.pid}`;
    try {
      const target = join(work, 'opt/packages');
      const where = ['--target', target, '--python-version', '3.11', '--platform', 'manylinux2014_x86_64'];
      const how = ['--quiet', '--disable-pip-version-check', '--no-compile', '--no-deps', '--only-binary', ':all:'];
      await execute('python3', ['-m', 'pip', 'install', ...how, ...where, ...packages]);
      const stable = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];
      const compressed = ['--use-compress-program', 'gzip --no-name'];
      await execute('tar', ['--create', '--file', draft, ...compressed, '--directory', work, ...stable, 'opt']);
      await rename(draft, path);
    } finally {
      await rm(work, { recursive: true, force: true });
      await rm(draft, { force: true });
    }
  }
  return path;
}
