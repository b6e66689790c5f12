import {
  buildImage,
  buildTar,
  directory,
  file,
  layerOf,
  noise,
  type BuiltImage,
  type Entry,
  type ImageOptions,
} from '../support/image-builder.ts';

const KIB = 1024;

const base: Entry[] = [
  directory('./'),
  directory('etc/'),
  directory('usr/'),
  directory('usr/bin/'),
  file('usr/bin/su', noise(70 * KIB, 'su'), { mode: 0o4755 }),
  file('usr/bin/gcc-13', noise(90 * KIB, 'gcc'), { mode: 0o755 }),
  directory('usr/include/'),
  file('usr/include/stdio.h', noise(9 * KIB, 'stdio')),
  directory('usr/lib/'),
  file('usr/lib/libz.a', noise(20 * KIB, 'libz')),
  file('usr/lib/shared', noise(50 * KIB, 'shared')),
  { name: 'usr/lib/another-name', type: 'link', linkname: 'usr/lib/shared', mode: 0o644 },
  directory('var/lib/apt/lists/'),
  file('var/lib/apt/lists/deb', noise(300 * KIB, 'lists')),
  directory('opt/'),
  file('opt/chowned', noise(1100 * KIB, 'chowned')),
  file('opt/gone', noise(200 * KIB, 'gone')),
  directory('opt/folder/'),
  file('opt/folder/inner', noise(30 * KIB, 'inner')),
  directory('opt/linked/'),
  file('opt/linked/first', noise(40 * KIB, 'first')),
  { name: 'opt/linked/second', type: 'link', linkname: 'opt/linked/first', mode: 0o644 },
  directory('tmp/', { mode: 0o1777 }),
  directory('work/', { mode: 0o777 }),
  file('work/open', noise(5 * KIB, 'open'), { mode: 0o666 }),
  { name: 'usr/link', type: 'symlink', linkname: 'lib' },
];

const wasteful: Entry[] = [
  file('opt/chowned', noise(1100 * KIB, 'chowned'), { uid: 1000, gid: 1000 }),
  file('opt/.wh.gone', ''),
  file('opt/folder/.wh..wh..opq', ''),
  file('opt/linked/.wh.first', ''),
  directory('app/'),
  file('app/copy', noise(50 * KIB, 'shared')),
  directory('app/.git/'),
  directory('app/.git/objects/'),
  file('app/.git/objects/pack', noise(60 * KIB, 'pack')),
  directory('app/__pycache__/'),
  file('app/__pycache__/main.cpython-313.pyc', noise(8 * KIB, 'pyc')),
  file('app/core.17', noise(80 * KIB, 'core')),
  directory('root/.cache/pip/'),
  file('root/.cache/pip/wheel', noise(120 * KIB, 'wheel')),
  directory('var/log/'),
  file('var/log/build.log', 'it worked\n'),
  directory('tmp/', { mode: 0o1777 }),
  file('tmp/leftover', 'x'.repeat(4095)),
];

const last: Entry[] = [file('opt/linked/.wh.second', ''), file('etc/ein Wort für jeden\u0007', 'x')];

/** Entries with those of the folders that they lie in, as most builders write them. */
function withFolders(entries: readonly Entry[]): Entry[] {
  const known = new Set<string>();
  return entries.flatMap((entry) => {
    const names = entry.name.replace(/\/$/, '').split('/').slice(0, -1);
    const folders = names.map((_, i) => `${names.slice(0, i + 1).join('/')}/`).filter((name) => !known.has(name));
    for (const name of [...folders, entry.name]) {
      known.add(name);
    }
    return [...folders.map((name) => directory(name)), entry];
  });
}

/** What made the layers of {@link badImage}. */
export const HISTORY = [
  { created_by: 'COPY rootfs / # buildkit' },
  { created_by: 'ENV A=b', empty_layer: true },
  { created_by: 'RUN |1 TOKEN=secret /bin/sh -c pip install x && chown -R 1000 /opt # buildkit' },
  { created_by: '/bin/sh -c #(nop) COPY file:0 in /etc' },
];

/** An image with everything that an inspection can find. */
export async function badImage(options: ImageOptions = {}): Promise<BuiltImage> {
  const layers = await Promise.all(
    [base, wasteful, last].map(async (entries) => layerOf(await buildTar(withFolders(entries)))),
  );
  return buildImage(layers, { history: HISTORY, ...options });
}
