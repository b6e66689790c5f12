import { isUtf8 } from 'node:buffer';
import { BadLayerError, shown } from './errors.ts';
import type { TarEntry } from './header.ts';
import { cleanPath, resolveParents } from './path.ts';

/** What the names start with that take away what lies in layers below (OCI Image Specification, "Whiteouts"). */
export const WHITEOUT = '.wh.';

/** What a layer says of a folder. */
export type FolderAttributes = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>;

/** Something that a layer has at a path. */
interface Known {
  type: string;
  /** Of folders, and of what a hard link to it must repeat; absent for folders that only have files in them. */
  entry?: TarEntry;
  /** Of a hard link: the path that it leads to. */
  origin?: string;
}

const PLAIN: Known = { type: '0' };

/** What a layer has where, by clean path; the root is not in it. */
export interface LayerContents {
  known: Map<string, Known>;
  /** Folders whose entry comes after files in them, or a second time with other attributes. */
  late: Set<string>;
  /** How many names there are in each folder so far; the root is ''. */
  widths: Map<string, number>;
}

/** Contents of a layer of which nothing is read yet. */
export function emptyContents(): LayerContents {
  return { known: new Map(), late: new Set(), widths: new Map() };
}

/**
 * Takes an entry into the contents of its layer, as containerd would extract it, and returns the one that nydus-image is to
 * read in its place, with a clean path, or undefined where it is to read none.
 * nydus-image confuses files with each other after a name that came before (nydus 2.2.0, `TarballTreeBuilder`: their inode
 * numbers are the count of names), so no name comes twice.
 * @throws BadLayerError for what no runtime extracts, or nydus-image would get wrong.
 */
export function place(entry: TarEntry, contents: LayerContents): TarEntry | undefined {
  const path = resolveParents(cleanPath(entry.name), (at) => linkAt(at, contents));
  // containerd takes nothing from the entry of the root.
  if (path === '') {
    return undefined;
  }
  addParents(path, contents);
  const before = contents.known.get(path);
  if (entry.type === '5') {
    return placeFolder({ ...entry, name: path }, before, contents);
  }
  const isWhiteout = nameOf(path).startsWith(WHITEOUT);
  if (isWhiteout && before !== undefined) {
    return undefined;
  }
  if (isWhiteout && !isUtf8(Buffer.from(path, 'latin1'))) {
    throw new BadLayerError(
      `${shown(path)} takes away a file whose name is no UTF-8, which nydus-image cannot. Build the image again, with one layer for both`,
    );
  }
  if (before !== undefined) {
    throw new BadLayerError(
      `it has ${shown(path)} twice, and nydus-image cannot replace a file within a layer. Build the image again with one of them`,
    );
  }
  if (entry.type === '1') {
    return placeLink(entry, path, contents);
  }
  const placed = { ...entry, name: path };
  add(path, entry.type === '0' && entry.xattrs.size === 0 ? PLAIN : { type: entry.type, entry: placed }, contents);
  return placed;
}

/** Takes a new name into the contents. */
function add(path: string, what: Known, { known, widths }: LayerContents): void {
  known.set(path, what);
  const folder = parentOf(path);
  widths.set(folder, (widths.get(folder) ?? 0) + 1);
}

function placeFolder(entry: TarEntry, before: Known | undefined, contents: LayerContents): TarEntry | undefined {
  const { name: path } = entry;
  if (before !== undefined && before.type !== '5') {
    throw new BadLayerError(
      `it has ${shown(path)} as a folder and as a file. Build the image again without one of them`,
    );
  }
  if (before === undefined) {
    add(path, { type: '5', entry }, contents);
    return entry;
  }
  contents.known.set(path, { type: '5', entry });
  if (before.entry === undefined || !sameAttributes(before.entry, entry)) {
    contents.late.add(path);
  }
  return undefined;
}

function placeLink(entry: TarEntry, path: string, contents: LayerContents): TarEntry {
  const { known } = contents;
  const target = resolveParents(cleanPath(entry.linkname), (at) => linkAt(at, contents));
  const seen = known.get(target);
  const origin = seen?.origin ?? target;
  if (seen === undefined || seen.type === '5') {
    const what = seen === undefined ? 'which is not in the layer before it' : 'which is a folder';
    throw new BadLayerError(
      `${shown(path)} is a hard link to ${shown(target)}, ${what}. Build the image again with a copy`,
    );
  }
  add(path, { ...seen, origin }, contents);
  // Other things than files have no content to share: a second one of them is the same.
  if (seen.type !== '0' && seen.entry !== undefined) {
    return { ...seen.entry, name: path };
  }
  // nydus-image wants the attributes of a link in its own header.
  return { ...entry, name: path, linkname: origin, size: 0, xattrs: seen.entry?.xattrs ?? new Map() };
}

function addParents(path: string, contents: LayerContents): void {
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const parent = path.slice(0, slash);
    const there = contents.known.get(parent);
    if (there?.type === '5') {
      return;
    }
    if (there !== undefined) {
      throw new BadLayerError(`${shown(path)} lies in ${shown(parent)}, which is no folder. Build the image again`);
    }
    add(parent, { type: '5' }, contents);
  }
}

function linkAt(path: string, { known }: LayerContents): string | undefined {
  const there = known.get(path);
  return there?.type === '2' ? there.entry?.linkname : undefined;
}

/** Names in all folders on the way to a path. */
export function namesOnTheWay(path: string, { widths }: LayerContents): number {
  let names = widths.get('') ?? 0;
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    names += widths.get(path.slice(0, slash)) ?? 0;
  }
  return names;
}

/** The last name of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The folder that a path lies in; '' is the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** Whether two folders would look the same. */
function sameAttributes(a: FolderAttributes, b: FolderAttributes): boolean {
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtime === b.mtime &&
    a.xattrs.size === b.xattrs.size &&
    [...a.xattrs].every(([name, value]) => b.xattrs.get(name)?.equals(value) === true)
  );
}
