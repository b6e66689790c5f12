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
  type Layer,
} from '../support/image-builder.ts';

/** A path that fits into no plain tar header. */
const DEEP = Array.from({ length: 12 }, (_, i) => `a-folder-with-a-long-name-${i}`);

const base: Entry[] = [
  directory('./'),
  directory('etc/'),
  file('etc/passwd', 'root:x:0:0::/root:/bin/sh\n'),
  file('etc/kept', 'kept'),
  file('etc/removed', 'removed by a whiteout'),
  file('etc/replaced', 'first version'),
  directory('etc/removed.d/'),
  file('etc/removed.d/inner', 'goes with its folder'),
  file('etc/file-then-folder', 'a file'),
  directory('usr/'),
  directory('usr/bin/'),
  file('usr/bin/tool', noise(3 << 20, 'tool'), { mode: 0o755 }),
  file('usr/bin/sudo', 'set user ID', { mode: 0o4755 }),
  { name: 'usr/bin/alias', type: 'link', linkname: 'usr/bin/tool', mode: 0o755 },
  { name: 'usr/bin/relative', type: 'symlink', linkname: 'tool' },
  { name: 'bin', type: 'symlink', linkname: '/usr/bin' },
  { name: 'usr/bin/dangling', type: 'symlink', linkname: '../nowhere' },
  directory('tmp/', { mode: 0o1777 }),
  directory('home/', { uid: 0, gid: 0 }),
  directory('home/user/', { mode: 0o700, uid: 1000, gid: 1000 }),
  file('home/user/.profile', 'export A=b\n', { mode: 0o600, uid: 1000, gid: 1000 }),
  file('home/user/empty', '', { uid: 65534, gid: 65534 }),
  file('home/user/ein Wort für jeden', 'a name that is not ASCII'),
  directory('var/'),
  directory('var/lib/'),
  directory('var/lib/opaque/'),
  file('var/lib/opaque/below', 'hidden by an opaque folder'),
  directory('var/lib/opaque/below.d/'),
  file('var/lib/opaque/below.d/inner', 'hidden, too'),
  file('var/zeros', Buffer.alloc(2 << 20)),
  file('var/attributes', 'one attribute', { xattrs: { 'user.origin': 'base layer' } }),
  file('var/capability', 'privileged', {
    mode: 0o755,
    // VFS_CAP_REVISION_2, effective: cap_net_bind_service.
    xattrs: {
      'security.capability': '\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00',
    },
  }),
  { name: 'var/pipe', type: 'fifo', mode: 0o600 },
  { name: 'var/null', type: 'character-device', mode: 0o666, devmajor: 1, devminor: 3 },
  ...DEEP.map((_, i) => directory(`var/${DEEP.slice(0, i + 1).join('/')}/`)),
  file(`var/${DEEP.join('/')}/${'n'.repeat(200)}`, 'a name of two hundred characters'),
];

const changes: Entry[] = [
  directory('etc/'),
  directory('var/'),
  directory('var/lib/'),
  file('etc/.wh.removed', ''),
  file('etc/.wh.removed.d', ''),
  file('etc/replaced', 'second version', { mode: 0o600, uid: 7, gid: 8 }),
  directory('etc/file-then-folder/'),
  file('etc/file-then-folder/inner', 'new'),
  directory('var/lib/opaque/', { mode: 0o750 }),
  file('var/lib/opaque/.wh..wh..opq', ''),
  file('var/lib/opaque/above', 'the only one left'),
  ...['opt/', 'opt/app/', 'opt/app/bin/'].map((name) => directory(name)),
  file('opt/app/bin/server', noise(1 << 20, 'server'), { mode: 0o755 }),
  { name: 'opt/app/bin/link', type: 'link', linkname: 'opt/app/bin/server', mode: 0o755 },
];

const many: Entry[] = [
  directory('srv/'),
  ...Array.from({ length: 500 }, (_, i) => file(`srv/file-${i}`, `content ${i % 7}\n`.repeat(i))),
];

/** The layers of an image with everything that a tar of a layer may hold. Each is compressed in another way. */
export async function richLayers(): Promise<Layer[]> {
  const last = layerOf(await buildTar(many), 'gzip');
  return [
    layerOf(await buildTar(base), 'gzip'),
    layerOf(await buildTar(changes), 'zstd'),
    layerOf(await buildTar([]), 'gzip'),
    layerOf(await buildTar([directory('etc/'), file('etc/added', 'not compressed')]), 'none'),
    last,
    layerOf(
      await buildTar([directory('srv/'), file('srv/.wh.file-1', ''), directory('etc/'), file('etc/.wh.added', '')]),
      'gzip',
    ),
    // The very same layer again: it brings back what the one before took away.
    last,
  ];
}

/** A file with several extended attributes, whose order in a tree nydus-image leaves to chance. */
export async function manyAttributes(): Promise<Layer> {
  const xattrs = { 'user.first': '1', 'user.second': '2', 'trusted.third': '3' };
  return layerOf(await buildTar([file('attributes', 'several', { xattrs })]));
}

/** A small image of one layer. */
export async function smallImage(content: string, options: ImageOptions = {}): Promise<BuiltImage> {
  return buildImage([layerOf(await buildTar([directory('app/'), file('app/content', content)]))], options);
}
