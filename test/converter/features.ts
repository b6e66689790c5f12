import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { buildTar, directory, file, layerOf, noise, type Layer } from '../support/image-builder.ts';
import { gnuLong, paxHeader, rawTar, type RawEntry } from '../support/raw-tar.ts';

/** Something that images have, and a sentence on what becomes of it. */
export interface Feature {
  /** Continues "a container sees …". */
  name: string;
  layers: () => Promise<Layer[]>;
  /** What the layers hold as GNU tar extracts it, where that is not what a container runtime makes of the layers themselves. */
  means?: () => Promise<Buffer[]>;
}

const layer = (...parts: (Buffer | RawEntry)[]): Layer => layerOf(rawTar(...parts));
const layers =
  (...tars: Layer[]) =>
  async (): Promise<Layer[]> =>
    tars;
const folder = (name: string, more: Partial<RawEntry> = {}): RawEntry => ({ name, type: '5', mode: 0o755, ...more });
const text = (name: RawEntry['name'], content: string, more: Partial<RawEntry> = {}): RawEntry => ({
  name,
  content,
  ...more,
});
const hidden = (name: string): RawEntry => ({ name, content: '' });

/** `security.capability` of cap_net_bind_service, effective (VFS_CAP_REVISION_2). */
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');

const LONG = 'n'.repeat(150);
const DEEP = Array.from({ length: 8 }, (_, i) => `${i}-${'d'.repeat(60)}`).join('/');
const BIG_ID = 2 ** 31 + 7;

export const COMPRESSION: readonly Feature[] = [
  {
    name: 'a zstd layer in many frames, some of them skippable',
    async layers() {
      const tar = await buildTar([file('big', noise(1 << 20, 'frames')), file('more', 'x'.repeat(300_000))]);
      const skippable = Buffer.from('502a4d1804000000deadbeef', 'hex');
      const frames: Buffer[] = [];
      for (let at = 0; at < tar.length; at += 100_000) {
        frames.push(zstdCompressSync(tar.subarray(at, at + 100_000)), skippable);
      }
      return [{ compression: 'zstd', tar, body: Buffer.concat(frames) }];
    },
  },
  {
    name: 'a gzip layer in many members, one of them empty',
    async layers() {
      const tar = await buildTar([file('big', noise(1 << 20, 'members')), file('more', 'x'.repeat(300_000))]);
      const members: Buffer[] = [];
      for (let at = 0; at < tar.length; at += 100_001) {
        members.push(gzipSync(tar.subarray(at, at + 100_001)));
      }
      return [{ compression: 'gzip', tar, body: Buffer.concat([gzipSync(''), ...members]) }];
    },
  },
  { name: 'a layer that is not compressed', layers: async () => [layerOf(await buildTar([file('a', 'b')]), 'none')] },
  {
    name: 'a layer that an image has twice',
    async layers() {
      const twice = layerOf(await buildTar([file('twice', 'the same'), file('other', 'kept')]));
      return [twice, layerOf(await buildTar([file('.wh.twice', '')])), twice];
    },
  },
  {
    name: 'nothing of layers without any entry',
    layers: layers(layerOf(Buffer.alloc(0)), layer(text('a', 'b')), layer(), layer()),
  },
  {
    name: 'all of 120 layers',
    layers: async () =>
      Promise.all(
        Array.from({ length: 120 }, async (_, i) =>
          layerOf(await buildTar([directory('etc/'), file(`etc/${i}`, `of layer ${i}`), file('etc/last', String(i))])),
        ),
      ),
  },
];

export const CHANGES: readonly Feature[] = [
  {
    name: 'nothing of a whiteout whose file does not exist, in any layer',
    layers: layers(
      layer(folder('etc/'), hidden('etc/.wh.nothing'), hidden('.wh.nowhere'), text('etc/kept', 'kept')),
      layer(folder('etc/'), hidden('etc/.wh.nothing'), hidden('.wh.nowhere')),
    ),
  },
  {
    name: 'what a layer puts into a folder before it makes that opaque',
    layers: layers(
      layer(folder('etc/'), text('etc/below', 'hidden'), folder('etc/below.d/'), text('etc/below.d/a', 'hidden')),
      layer(folder('etc/'), text('etc/above', 'first'), hidden('etc/.wh..wh..opq'), text('etc/later', 'second')),
    ),
  },
  {
    name: 'a file that one layer takes away and puts back',
    layers: layers(
      layer(text('a', 'old'), folder('d/'), text('d/inner', 'old'), text('z', 'old')),
      layer(hidden('.wh.a'), text('a', 'new'), folder('d/'), text('d/new', 'new'), hidden('.wh.d'), text('z', 'new')),
      layer(hidden('.wh.z')),
    ),
  },
  {
    name: 'an opaque root',
    layers: layers(layer(text('below', 'hidden'), folder('d/')), layer(hidden('.wh..wh..opq'), text('above', 'kept'))),
  },
  {
    name: 'a file in the place of a folder, and only the new content of a folder that was a file meanwhile',
    layers: layers(
      layer(folder('d/'), text('d/old', 'gone'), folder('e/'), text('e/old', 'gone')),
      layer(text('d', 'a file'), text('e', 'a file')),
      layer(folder('d/'), text('d/new', 'kept')),
    ),
  },
  {
    name: 'folders as their last entry in a layer says, though it comes after files in them, and files as they are',
    layers: layers(
      layer(folder('d/'), text('d/e', '1'), folder('d/', { mode: 0o700 }), text('d/f', 'not a folder'), text('g', '2')),
      layer(
        text('h/i', '1'),
        folder('h/', { mode: 0o1777, uid: 3 }),
        text('h/j', '2'),
        folder('h/', { mode: 0o1777, uid: 3 }),
      ),
    ),
  },
  {
    name: 'folders of layers below as they were where a layer has files in them, but no entry',
    layers: layers(
      layer(
        folder('tmp/', { mode: 0o1777 }),
        folder('home/', { uid: 7, mtime: 1_600_000_000 }),
        folder('home/user/', { mode: 0o700, uid: 1000, gid: 1000 }),
        paxHeader([['SCHILY.xattr.user.origin', 'base']]),
        folder('marked/'),
        folder('gone/', { mode: 0o700 }),
      ),
      layer(text('tmp/file', '1'), text('home/user/file', '2'), text('marked/file', '3'), text('new/file', '4')),
      layer(hidden('.wh.gone'), hidden('home/.wh.nothing')),
      layer(text('gone/back', 'in a new folder'), text('new/other', '5')),
    ),
  },
  {
    name: 'files below a link to a folder of the same layer where the link leads',
    layers: layers(
      layer(folder('usr/'), folder('usr/lib/'), { name: 'lib', type: '2', linkname: 'usr/lib' }, text('lib/a', 'b')),
    ),
    means: async () => [
      rawTar(
        folder('usr/'),
        folder('usr/lib/'),
        { name: 'lib', type: '2', linkname: 'usr/lib' },
        text('usr/lib/a', 'b'),
      ),
    ],
  },
];

/** Tars as ko, Jib and Bazel write them, so that the same files make the same image. */
const reproducible = (mtime: number): Buffer[] => [
  rawTar(
    ...['./', './etc/', './home/', './home/nonroot/'].map((name) => folder(name, { mtime })),
    text('./etc/passwd', 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin', { mtime }),
  ),
  rawTar(
    folder('/var/run/ko', { mode: 0o555, mtime }),
    text('/var/run/ko/HEAD', 'ref', { mode: 0o555, mtime }),
    folder('/ko-app', { mode: 0o555, mtime }),
    text('/ko-app/app', 'program', { mode: 0o555, mtime }),
  ),
  rawTar(
    folder('app/', { mtime: 1 }),
    folder('app/libs/', { mtime: 1 }),
    text('app/libs/a-1.0.jar', 'library', { mtime: 1 }),
    text('app/libs/b-1.0.jar', 'library', { mtime: 1 }),
  ),
  rawTar(
    folder('app/', { mtime: 1 }),
    folder('app/classes/', { mtime: 1 }),
    text('app/classes/Main.class', 'class', { mtime: 1 }),
  ),
  rawTar(
    text('./app/classes/Main.class', 'of another layer', { mode: 0o555, mtime }),
    text('./srv/without/folders', 'kept', { mode: 0o555, mtime }),
    { name: './srv/link', type: '2', linkname: 'without/folders', mtime },
  ),
];

export const BUILDERS: readonly Feature[] = [
  {
    name: 'what ko, Jib and Bazel put into reproducible layers: times of 0 and 1, names from the root, folders without entries',
    layers: async () => reproducible(0).map((tar) => layerOf(tar)),
    means: async () => reproducible(1),
  },
];

export const LINKS: readonly Feature[] = [
  {
    name: 'hard links as one file, with its attributes, whatever the order of their names',
    layers: layers(
      layer(
        paxHeader([
          ['SCHILY.xattr.user.a', 'b'],
          ['SCHILY.xattr.security.capability', CAPABILITY],
        ]),
        text('m', 'linked', { mode: 0o755, uid: 5 }),
        { name: 'a', type: '1', linkname: 'm', mode: 0o755, uid: 5 },
        { name: 'z', type: '1', linkname: './m', mode: 0o755, uid: 5 },
        text('n', 'other'),
      ),
    ),
  },
  {
    name: 'hard links to hard links',
    layers: layers(
      layer(
        text('m', 'linked'),
        { name: 'n', type: '1', linkname: 'm' },
        { name: 'a', type: '1', linkname: 'n' },
        text('o', 'other'),
      ),
    ),
  },
  {
    name: 'hard links to symbolic links, devices and pipes as more of them',
    layers: layers(
      layer(
        { name: 'm', type: '2', linkname: 'nowhere' },
        { name: 'a', type: '1', linkname: 'm' },
        { name: 'null', type: '3', device: [1, 3], mode: 0o666 },
        { name: 'b', type: '1', linkname: 'null', mode: 0o666 },
        { name: 'pipe', type: '6', device: [0, 0], mode: 0o600 },
        { name: 'q', type: '1', linkname: 'pipe', mode: 0o600 },
      ),
    ),
    means: async () => [
      rawTar(
        ...['m', 'a'].map((name) => ({ name, type: '2', linkname: 'nowhere' })),
        ...['null', 'b'].map((name) => ({ name, type: '3', device: [1, 3] as const, mode: 0o666 })),
        ...['pipe', 'q'].map((name) => ({ name, type: '6', mode: 0o600 })),
      ),
    ],
  },
  {
    name: 'long targets of symbolic links, by PAX and by GNU',
    layers: layers(
      layer(
        paxHeader([['linkpath', `/${DEEP}`]]),
        { name: 'pax', type: '2' },
        gnuLong('K', `${DEEP}/${LONG}`),
        { name: 'gnu', type: '2', format: 'gnu' },
        { name: 'odd', type: '2', linkname: Buffer.from('a\xffb', 'latin1') },
      ),
    ),
  },
];

export const NAMES: readonly Feature[] = [
  {
    name: 'names of any length, by PAX, by GNU and by prefix',
    layers: layers(
      layer(
        paxHeader([['path', `pax-${LONG}`]]),
        text('short', '1'),
        paxHeader([['path', `${DEEP}/pax`]]),
        text('short', '2'),
        gnuLong('L', `gnu-${LONG}`),
        text('short', '3', { format: 'gnu' }),
        gnuLong('L', `${DEEP}/gnu`),
        text('short', '4', { format: 'gnu' }),
        text('end', '5', { prefix: `prefix/${'p'.repeat(100)}` }),
        text('c'.repeat(100), '6'),
        paxHeader([['path', 'e'.repeat(255)]]),
        text('short', '7'),
      ),
    ),
  },
  {
    name: 'names that are no UTF-8, and names with odd characters',
    layers: layers(
      layer(
        text(Buffer.from('caf\xe9', 'latin1'), '1'),
        text(Buffer.from('\xff\xfe', 'latin1'), '2'),
        text('a\nb', '3'),
        text('a b\t\\012"\'', '4'),
        text('café', '5'),
        gnuLong('L', Buffer.concat([Buffer.from(LONG), Buffer.from([0xff, 10])])),
        text('short', '6', { format: 'gnu' }),
      ),
    ),
  },
  {
    name: 'files whose names are written from the root or with dots in them',
    layers: layers(
      layer(text('/etc/a', '1'), text('./etc/./b', '2'), text('etc//c', '3'), text('.', '', { type: '5' })),
    ),
  },
  {
    name: 'folders in the oldest form, a file with a slash at its end',
    layers: layers(layer({ name: 'old/', type: '\0', format: 'v7', mode: 0o755 }, text('old/file', '1'))),
    means: async () => [rawTar(folder('old/'), text('old/file', '1'))],
  },
];

export const ATTRIBUTES: readonly Feature[] = [
  {
    name: 'attributes of files, folders and links, capabilities among them',
    layers: layers(
      layer(
        paxHeader([
          ['SCHILY.xattr.user.a', 'b'],
          ['SCHILY.xattr.trusted.t', Buffer.from([0, 1, 255])],
          ['SCHILY.xattr.user.empty', ''],
        ]),
        folder('d/'),
        paxHeader([['SCHILY.xattr.security.capability', CAPABILITY]]),
        text('d/capable', '1', { mode: 0o755 }),
        paxHeader([['SCHILY.xattr.trusted.of-a-link', 'c']]),
        { name: 'd/link', type: '2', linkname: 'capable' },
        paxHeader([['SCHILY.xattr.user.large', Buffer.alloc(3000, 'x')]]),
        text('d/large', '2'),
      ),
    ),
  },
  {
    name: 'nothing of attributes that Linux does not know, such as those of macOS',
    layers: layers(
      layer(
        paxHeader([
          ['SCHILY.xattr.com.apple.provenance', Buffer.from([1, 2, 0])],
          ['LIBARCHIVE.xattr.com.apple.provenance', 'AQIA'],
          ['SCHILY.xattr.user.kept', 'yes'],
        ]),
        text('mac', '1'),
      ),
    ),
    means: async () => [rawTar(paxHeader([['SCHILY.xattr.user.kept', 'yes']]), text('mac', '1'))],
  },
  {
    name: 'owners of any number, by PAX and by GNU',
    layers: layers(
      layer(
        text('octal', '1', { uid: 70_000, gid: 2_097_151 }),
        text('gnu', '2', { uid: BIG_ID, gid: 2_097_152, format: 'gnu' }),
        paxHeader([
          ['uid', String(BIG_ID)],
          ['gid', '4294967294'],
        ]),
        text('pax', '3'),
        paxHeader([
          ['uid', '2097152'],
          ['gid', '5'],
        ]),
        folder('d/'),
      ),
    ),
  },
  {
    name: 'times of any year, by PAX and by GNU, of files, folders and links',
    layers: layers(
      layer(
        paxHeader([['mtime', '1234567890.987654321']]),
        text('pax', '2', { mtime: 0 }),
        paxHeader([['mtime', '9000000000']]),
        text('late', '3', { mtime: 0 }),
        text('gnu', '4', { mtime: 9_000_000_001n, format: 'gnu' }),
        { name: 'link', type: '2', linkname: 'gnu', mtime: 1_500_000_000 },
        folder('d/', { mtime: 1_400_000_000 }),
        text('d/a', '6'),
      ),
    ),
  },
  {
    name: 'the second one of 1970 in place of times before it, of which nydusd would make the time of the mount',
    layers: layers(
      layer(
        text('first', '1', { mtime: 0 }),
        paxHeader([['mtime', '-86400']]),
        text('early', '2'),
        folder('d/', { mtime: 0 }),
      ),
    ),
    means: async () => [
      rawTar(text('first', '1', { mtime: 1 }), text('early', '2', { mtime: 1 }), folder('d/', { mtime: 1 })),
    ],
  },
  {
    name: 'devices and pipes, also as GNU tar writes them',
    layers: layers(
      layer(
        { name: 'null', type: '3', device: [1, 3], mode: 0o666 },
        { name: 'disk', type: '4', device: [8, 17], mode: 0o660, gid: 6 },
        { name: 'far', type: '3', device: [511, 70_000], mode: 0o600 },
        { name: 'pipe', type: '6', mode: 0o640, format: 'gnu' },
        { name: 'v7-pipe', type: '6', mode: 0o640 },
      ),
    ),
  },
  {
    name: 'modes with every bit',
    layers: layers(
      layer(text('a', '1', { mode: 0o7777 }), text('b', '2', { mode: 0 }), folder('d/', { mode: 0o2775 }), {
        name: 'e',
        mode: 0o100644,
      }),
    ),
  },
];

export const CONTENT: readonly Feature[] = [
  {
    name: 'a file of many chunks, also the same again, and files that end at a chunk',
    layers: async () => [
      layerOf(
        await buildTar([
          file('big', noise(5 * (1 << 20) + 1, 'big')),
          file('same', noise(5 * (1 << 20) + 1, 'big')),
          file('exact', noise(2 << 20, 'exact')),
          file('zeros', Buffer.alloc(3 << 20)),
        ]),
        'none',
      ),
    ],
  },
  ...(['0.0', '0.1', '1.0'] as const).map((version) => ({
    name: `sparse files as GNU tar writes them in PAX ${version}`,
    layers: async () => [layerOf(await sparseTar(`--format=pax --sparse-version=${version}`))],
  })),
  {
    name: 'what comes before the end of the tar, and nothing of what comes after it',
    layers: layers(layerOf(Buffer.concat([rawTar(text('a', '1')), rawTar(text('hidden', '2'))]))),
  },
  {
    name: 'files of a tar with a header for all of them',
    layers: layers(layer(paxHeader([['comment', '0123456789abcdef']], 'g'), text('a', '1'), text('b', '2'))),
  },
  {
    name: 'sizes that are in the PAX header',
    layers: layers(
      layer(paxHeader([['size', '5']]), text('a', '12345', { size: 0 }), paxHeader([['size', '3']]), text('b', '123')),
    ),
  },
  {
    name: 'files after a folder and a link whose headers speak of a size',
    layers: layers(
      layer(folder('d/', { size: 600 }), { name: 'l', type: '2', linkname: 'd', size: 9 }, text('a', '1')),
    ),
    means: async () => [rawTar(folder('d/'), { name: 'l', type: '2', linkname: 'd' }, text('a', '1'))],
  },
];

/** A tar of sparse files: holes at the start, in the middle, at the end, everywhere, and many of them. */
async function sparseTar(flags: string): Promise<Buffer> {
  const place = await mkdtemp(join(tmpdir(), 'sparse-'));
  try {
    await writeSparse(join(place, 'middle'), 9 << 20, [0, 5 << 20]);
    await writeSparse(join(place, 'ends'), 6 << 20, [3 << 20]);
    await writeSparse(join(place, 'nothing'), 4 << 20, []);
    await writeSparse(
      join(place, 'many'),
      12 << 20,
      Array.from({ length: 150 }, (_, i) => i * 65_536),
    );
    const args = [...flags.split(' '), '--sparse', '--numeric-owner', '--sort=name', '--mtime=@1700000000'];
    const command = [...args, '-C', place, '-cf', '-', 'ends', 'many', 'middle', 'nothing'];
    const { stdout } = await promisify(execFile)('tar', command, { encoding: 'buffer', maxBuffer: 64 << 20 });
    return stdout;
  } finally {
    await rm(place, { recursive: true });
  }
}

async function writeSparse(path: string, size: number, at: readonly number[]): Promise<void> {
  await using handle = await open(path, 'w');
  await handle.truncate(size);
  for (const offset of at) {
    await handle.write(noise(4096, `${path.length} ${offset}`), 0, 4096, offset);
  }
}
