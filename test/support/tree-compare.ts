import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { extract, type Header } from 'tar-stream';

/** One way in which two trees are not the same. */
export interface Difference {
  /** Path below the root, `.` for the root itself. */
  path: string;
  what: 'missing' | 'unexpected' | 'type' | 'mode' | 'owner' | 'target' | 'device' | 'xattrs' | 'content';
  expected: string;
  actual: string;
}

/** What is compared of a file. */
interface Node {
  type: string;
  mode: string;
  owner: string;
  target: string;
  device: string;
  xattrs: string;
  content: string;
}

const ASPECTS = ['type', 'mode', 'owner', 'target', 'device', 'xattrs', 'content'] as const;

/**
 * Compares two folders: path, type, mode, owner and group, target of symbolic links, device numbers, extended attributes and
 * content. Times and whether two names are the same inode are left out. Reads both with GNU tar, as root.
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
      if (node[what] !== other[what]) {
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
  // Without --hard-dereference the second name of a file would be a link, which depends on the order of names.
  const flags = [
    '--format=pax',
    '--xattrs',
    '--xattrs-include=*',
    '--numeric-owner',
    '--hard-dereference',
    '--sparse-version=1.0',
  ];
  const tar = spawn('tar', [...flags, '-C', folder, '-cf', '-', '.'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(tar, 'close');
  const errors = text(tar.stderr);
  const nodes = new Map<string, Node>();
  for await (const entry of tar.stdout.pipe(extract())) {
    const hash = createHash('sha256');
    for await (const chunk of entry) {
      hash.update(chunk as Buffer);
    }
    nodes.set(pathOf(entry.header), nodeOf(entry.header, hash.digest('hex')));
  }
  const [code] = (await ended) as [number | null];
  if (code !== 0) {
    throw new Error(`cannot read ${folder}: ${await errors}`);
  }
  return nodes;
}

function pathOf({ name }: Header): string {
  return name.replace(/^\.\//, '').replace(/\/$/, '') || '.';
}

function nodeOf(header: Header, sha256: string): Node {
  const { type, mode, uid, gid, size, linkname, devmajor, devminor, pax } = header;
  const isDevice = type === 'character-device' || type === 'block-device';
  return {
    type,
    // Nobody looks at the mode of a symbolic link, and Linux cannot set it.
    mode: type === 'symlink' ? '' : mode.toString(8),
    owner: `${uid}:${gid}`,
    target: type === 'symlink' ? linkname : '',
    device: isDevice ? `${devmajor}:${devminor}` : '',
    xattrs: xattrsOf((pax ?? {}) as Record<string, string>),
    content: type === 'file' ? `${size} bytes, sha256 ${sha256}` : '',
  };
}

function xattrsOf(pax: Record<string, string>): string {
  const records = Object.entries(pax).filter(([name]) => name.startsWith('SCHILY.xattr.'));
  return JSON.stringify(records.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
