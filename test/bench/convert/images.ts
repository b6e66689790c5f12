import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import pLimit from 'p-limit';
import { pack, type Header, type Pack } from 'tar-stream';
import { cacheDirectory } from '../../../hack/tools/locate.ts';
import { contentMaker } from './content.ts';

/** Share of each layer but the last: one big, the others ever smaller, as a base, packages and application code are. */
const SHARES = [0.3, 0.2, 0.14, 0.1, 0.09, 0.07, 0.05, 0.05];
/** Bytes of the last layer before compression: the application code that the second version changes. */
const TOP = 12 << 20;
/** What gzip leaves of the content, as measured; it only decides how near an image comes to its name. */
const COMPRESSED = 0.57;

/** Files of the compressed layers of an image, from the lowest up. */
export type Layers = string[];

/** Two versions of an image of so many bytes as stored in a registry, whose last layers differ. Kept in the cache. */
export async function versions(gigabytes: number): Promise<[Layers, Layers]> {
  const folder = join(cacheDirectory(), 'images', `bench-${gigabytes}gb-${process.version}`);
  const whole = (gigabytes * 1e9) / COMPRESSED;
  const sizes = SHARES.map((share) => Math.round(share * (whole - TOP)));
  const limit = pLimit(2);
  const shared = await limit.map(sizes, (size, i) => layer(folder, `layer-${i}`, size));
  const [first = '', second = ''] = await limit.map(['top-1', 'top-2'], (name) => layer(folder, name, TOP));
  return [
    [...shared, first],
    [...shared, second],
  ];
}

async function layer(folder: string, name: string, size: number): Promise<string> {
  const path = join(folder, `${name}.tar.gz`);
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true });
    const draft = `${path}.${process.pid}`;
    try {
      const tar = pack();
      const filled = fill(tar, name, size);
      await Promise.all([pipeline(tar, createGzip(), createWriteStream(draft)), filled]);
      await rename(draft, path);
    } finally {
      await rm(draft, { force: true });
    }
  }
  return path;
}

/**
 * Files of a few hundred bytes to a few megabytes, most of them small, in folders of a hundred. Each folder has an entry, as in
 * the layers that container builders write.
 */
async function fill(tar: Pack, name: string, size: number): Promise<void> {
  using content = contentMaker(name);
  const add = (header: Partial<Header> & { name: string }, bytes: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      tar.entry({ mtime: new Date(0), ...header }, bytes, (error) => (error ? reject(error) : resolve()));
    });
  const addFolder = (folder: string): Promise<void> =>
    add({ name: `${folder}/`, type: 'directory', mode: 0o755 }, Buffer.of());
  await addFolder('opt');
  await addFolder(`opt/${name}`);
  for (let written = 0, i = 0; written < size; i += 1) {
    const length = Math.min(Math.ceil(200 * Math.exp(content.random() * 11)), size - written);
    const folder = `opt/${name}/${Math.floor(i / 100)}`;
    await (i % 100 === 0 ? addFolder(folder) : undefined);
    await add({ name: `${folder}/file-${i}`, mode: 0o644 }, content.next(length));
    written += length;
  }
  tar.finalize();
}
