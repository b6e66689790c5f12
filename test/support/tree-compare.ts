import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, type BigIntStats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { buffer, text } from 'node:stream/consumers';
import { once } from 'node:events';

/** One way in which two trees are not the same. */
export interface Difference {
  /** Path below the root, `.` for the root itself; bytes that are not UTF-8 are shown as Latin-1. */
  path: string;
  what: 'missing' | 'unexpected' | keyof Node;
  expected: string;
  actual: string;
}

/** What is compared of a file. */
interface Node {
  type: string;
  mode: string;
  owner: string;
  /** Seconds: RAFS keeps no parts of one. Where 0 is expected, any time is right. */
  mtime: string;
  target: string;
  device: string;
  xattrs: string;
  content: string;
  /** Other names of the same file. */
  links: string;
}

const ASPECTS = ['type', 'mode', 'owner', 'mtime', 'target', 'device', 'xattrs', 'content', 'links'] as const;

const FORMAT = 0o170000n;
const TYPES = new Map([
  [0o100000n, 'file'],
  [0o040000n, 'directory'],
  [0o120000n, 'symlink'],
  [0o060000n, 'block-device'],
  [0o020000n, 'character-device'],
  [0o010000n, 'fifo'],
]);

/**
 * Compares two folders: path, type, mode, owner and group, time of the last change in seconds, target of symbolic links,
 * device numbers, extended attributes, content, and which names are the same file. Reads both as root. Names are bytes.
 * @param expected folder that is right.
 * @param actual folder that is checked.
 */
export async function compareTrees(expected: string, actual: string): Promise<Difference[]> {
  const right = await readTree(expected);
  const checked = await readTree(actual);
  const differences: Difference[] = [];
  for (const [path, node] of right) {
    const other = checked.get(path);
    if (other === undefined) {
      differences.push({ path, what: 'missing', expected: node.type, actual: '' });
      continue;
    }
    for (const what of ASPECTS) {
      if (node[what] !== other[what] && !(what === 'mtime' && node.mtime === '0')) {
        differences.push({ path, what, expected: node[what], actual: other[what] });
      }
    }
  }
  for (const [path, { type }] of checked) {
    if (!right.has(path)) {
      differences.push({ path, what: 'unexpected', expected: '', actual: type });
    }
  }
  return differences.toSorted((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
}

async function readTree(folder: string): Promise<Map<string, Node>> {
  const xattrs = await readXattrs(folder);
  const nodes = new Map<string, Node>();
  const names = new Map<bigint, string[]>();
  async function visit(path: string): Promise<void> {
    const place = Buffer.from(`${folder}/${path}`, 'latin1');
    const stats = await lstat(place, { bigint: true });
    const node = await nodeOf(place, stats, xattrs.get(path) ?? '');
    nodes.set(path, node);
    if (node.type === 'directory') {
      for (const name of await readdir(place, { encoding: 'buffer' })) {
        await visit(path === '.' ? name.toString('latin1') : `${path}/${name.toString('latin1')}`);
      }
    } else if (stats.nlink > 1n) {
      names.set(stats.ino, [...(names.get(stats.ino) ?? []), path]);
    }
  }
  await visit('.');
  for (const same of names.values()) {
    for (const path of same) {
      const node = nodes.get(path);
      if (node !== undefined && same.length > 1) {
        node.links = same.toSorted().join(' ');
      }
    }
  }
  return nodes;
}

async function nodeOf(place: Buffer, stats: BigIntStats, xattrs: string): Promise<Node> {
  const type = TYPES.get(stats.mode & FORMAT) ?? 'unknown';
  return {
    type,
    // Nobody looks at the mode of a symbolic link, and Linux cannot set it.
    mode: type === 'symlink' ? '' : (stats.mode & ~FORMAT).toString(8),
    owner: `${stats.uid}:${stats.gid}`,
    mtime: String(stats.mtimeNs / 1_000_000_000n),
    target: type === 'symlink' ? (await readlink(place, 'buffer')).toString('latin1') : '',
    device: type.endsWith('-device') ? String(stats.rdev) : '',
    xattrs,
    content: type === 'file' ? `${stats.size} bytes, sha256 ${await digestOf(place)}` : '',
    links: '',
  };
}

async function digestOf(place: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(place) as AsyncIterable<Buffer>) {
    hash.update(chunk);
  }
  return hash.digest('hex');
}

/** Extended attributes by path, as `getfattr` shows them. */
async function readXattrs(folder: string): Promise<Map<string, string>> {
  const flags = ['--recursive', '--physical', '--no-dereference', '--dump', '--match=-', '--encoding=hex'];
  const child = spawn('getfattr', [...flags, '.'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([buffer(child.stdout), text(child.stderr), ended]).catch(
    (error: unknown) => {
      throw new Error(`cannot read ${folder}: ${String(error)}`);
    },
  );
  if (code !== 0) {
    throw new Error(`cannot read ${folder}: ${errors}`);
  }
  const attributes = new Map<string, string>();
  for (const block of output.toString('latin1').split('\n\n')) {
    const [file = '', ...lines] = block.split('\n');
    const path = file.slice('# file: '.length).replaceAll(/\\(\d{3})/g, (_, octal: string) => fromOctal(octal));
    attributes.set(path, lines.filter(Boolean).toSorted().join(' '));
  }
  return attributes;
}

function fromOctal(digits: string): string {
  return String.fromCodePoint(Number.parseInt(digits, 8));
}
