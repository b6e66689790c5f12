import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { ensurePackages } from '../tools/debian.ts';
import { cacheDirectory, toolPath } from '../tools/locate.ts';
import { execute, runLogged } from '../tools/process.ts';
import type { Progress } from '../tools/progress.ts';
import { makeLayout } from './oci-layout.ts';

const SERVICE = join(import.meta.dirname, 'service');
const SUITE = 'bookworm';
const PYTHON = '3.11';
const PACKAGES = ['python3-minimal', 'libpython3-stdlib', 'ca-certificates', 'libgomp1'];
const BYTE_CODE = ['-m', 'compileall', '-q', '--invalidation-mode', 'unchecked-hash'];
const FOLDER = 'opt/inference';
const STABLE_TAR = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];

/** Debian packages that making the image needs. */
const BUILD_PACKAGES = ['mmdebstrap', 'python3-pip'];

/** The demo's image before it is pushed. */
export interface InferenceImage {
  /** Compressed layers, lowest first: Debian with Python, the Python packages, the service and its model. */
  layers: string[];
  /** The answer that the service must give. */
  expected: { seed: number; label: number };
}

const Expected = z.object({ seed: z.int(), label: z.int() });

/** Makes the layers of the inference image from Debian and Python packages, once; later calls find them in the cache. */
export async function makeInferenceImage(progress: Progress): Promise<InferenceImage> {
  const files = await Promise.all(
    ['requirements.txt', 'make_model.py', 'app.py'].map((name) => readFile(join(SERVICE, name))),
  );
  const key = createHash('sha256').update(JSON.stringify([SUITE, PYTHON, PACKAGES, BYTE_CODE]));
  for (const file of files) key.update(file);
  const folder = join(cacheDirectory(), 'images', `inference-${key.digest('hex').slice(0, 12)}`);
  if (!existsSync(folder)) {
    await ensurePackages(BUILD_PACKAGES, progress);
    const work = await mkdtemp(join(tmpdir(), 'slipstream-inference-'));
    const draft = `${folder}.${process.pid}`;
    try {
      await mkdir(draft, { recursive: true });
      await makeLayers(work, draft, progress);
      await rename(draft, folder);
    } finally {
      await rm(work, { recursive: true, force: true });
      await rm(draft, { recursive: true, force: true });
    }
  }
  return {
    layers: ['base', 'packages', 'service'].map((layer) => join(folder, `${layer}.tar.gz`)),
    expected: Expected.parse(JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8'))),
  };
}

/** Pushes the image to the cluster's registry. */
export async function pushInferenceImage(reference: string, { layers }: InferenceImage): Promise<void> {
  const layout = await makeLayout(layers, {
    Entrypoint: ['/usr/bin/python3', `/${FOLDER}/app.py`],
    Cmd: ['8000'],
    Env: [`PYTHONPATH=/${FOLDER}/packages`, 'PYTHONDONTWRITEBYTECODE=1'],
  });
  await execute(toolPath('crane'), ['push', '--insecure', layout, reference]);
}

async function makeLayers(work: string, out: string, progress: Progress): Promise<void> {
  const root = join(work, 'root');
  const target = join(root, FOLDER);
  const base = join(work, 'base.tar');
  const log = join(work, 'log');
  await progress.step('image: Debian and Python', () =>
    runLogged('mmdebstrap', ['--variant=minbase', `--include=${PACKAGES.join(',')}`, '--format=tar', SUITE, base], {
      log,
    }),
  );
  await mkdir(target, { recursive: true });
  await execute('tar', ['--extract', '--file', base, '--directory', root]);
  await progress.step('image: Python packages', () =>
    runLogged('python3', pipArguments(join(target, 'packages')), { log }),
  );
  // As pip does where it runs in the image itself. Marked by content: the mtimes of the files will be others.
  await progress.step('image: Python byte code', () => runInImage(root, log, ...BYTE_CODE, `/${FOLDER}/packages`));
  await copyFile(join(SERVICE, 'app.py'), join(target, 'app.py'));
  await copyFile(join(SERVICE, 'make_model.py'), join(root, 'tmp/make_model.py'));
  await progress.step('image: model', () => runInImage(root, log, '-B', '/tmp/make_model.py', `/${FOLDER}`));
  await rename(join(target, 'expected.json'), join(out, 'expected.json'));
  await progress.step('image: compressing layers', () =>
    Promise.all([
      compress(base, join(out, 'base.tar.gz')),
      pack(root, [`${FOLDER}/packages`], join(out, 'packages.tar.gz')),
      pack(root, [`${FOLDER}/app.py`, `${FOLDER}/model.onnx`], join(out, 'service.tar.gz')),
    ]),
  );
}

/** Runs the Python of the image, with its packages. */
async function runInImage(root: string, log: string, ...args: string[]): Promise<void> {
  // What runs may count processors in /proc.
  const namespaces = ['--mount', '--pid', '--fork', `--root=${root}`, '--mount-proc'];
  const environment = ['env', `PYTHONPATH=/${FOLDER}/packages`];
  await runLogged('unshare', [...namespaces, '--', ...environment, 'python3', ...args], { log });
}

function pipArguments(target: string): string[] {
  const platforms = ['manylinux_2_28', 'manylinux_2_17', 'manylinux2014'].flatMap((abi) => [
    '--platform',
    `${abi}_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`,
  ]);
  const wheelsOnly = ['--only-binary', ':all:', '--python-version', PYTHON, ...platforms];
  const quiet = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore', '--no-compile'];
  return [
    '-m',
    'pip',
    'install',
    ...quiet,
    '--target',
    target,
    '--requirement',
    join(SERVICE, 'requirements.txt'),
    ...wheelsOnly,
  ];
}

async function compress(tar: string, out: string): Promise<void> {
  await execute('sh', ['-c', 'gzip --no-name <"$1" >"$2"', 'sh', tar, out]);
}

async function pack(root: string, paths: string[], out: string): Promise<void> {
  await execute('tar', [
    '--create',
    '--file',
    out,
    '--use-compress-program',
    'gzip --no-name',
    '--directory',
    root,
    ...STABLE_TAR,
    ...paths,
  ]);
}
