import {
  WHITEOUT,
  emptyContents,
  nameOf,
  parentOf,
  type FolderAttributes,
  type LayerContents,
} from './tar/contents.ts';
import type { TarEntry } from './tar/header.ts';

const OPAQUE = '.wh..wh..opq';

/** Folders and whiteouts that are merged over a layer, so that the tree of the image is what containerd would extract. */
export type Correction = readonly TarEntry[];

/** What the merge of an image's layers takes. */
export interface CorrectionPlan {
  /** For each layer, from the lowest up, what to merge over it; empty if nothing. */
  above: Correction[];
  /** Layers whose contents must be known in any image that has them, so that they cannot be taken over. */
  irregular: boolean[];
}

/** Whether what becomes of a layer's folders depends on the layers below it: it has files in folders without entries. */
export function dependsOnBelow(contents: LayerContents | undefined): boolean {
  return [...(contents?.known.values() ?? [])].some(({ type, entry }) => type === '5' && entry === undefined);
}

/**
 * Plans what `nydus-image merge` (2.2.0) would get wrong without help:
 * - A folder that a layer has files in, and no entry for, is one of root's with mode 0755 in the layer's tree, and hides the
 *   attributes that a layer below gives it.
 * - A folder whose entry comes late has the attributes of the first one.
 * - A folder that a layer makes where one below has put a file in the place of another folder has the files of that.
 * @param layers contents of an image's layers from the lowest up; of one that is not known it is taken for granted that it
 *   needs no correction.
 */
export function planCorrections(layers: readonly (LayerContents | undefined)[]): CorrectionPlan {
  const folders = new Map<string, FolderAttributes | undefined>();
  const hiding = new Set<string>();
  const above: Correction[] = [];
  const irregular: boolean[] = [];
  for (const contents of layers) {
    const { known, late } = contents ?? emptyContents();
    removeWhiteouts(known.keys(), folders, hiding);
    const revived = [...known].flatMap(([path, { type }]) => (type === '5' && hiding.delete(path) ? [path] : []));
    const below = above.at(-1);
    if (below !== undefined && revived.length > 0) {
      const whiteouts = revived.map((path) => whiteoutOf(path));
      above[above.length - 1] = [...below, ...withParents(whiteouts, folders, below)];
    }
    let isIrregular = late.size > 0 || dependsOnBelow(contents);
    const wrong = new Set<string>(late);
    for (const [path, { type, entry }] of known) {
      if (type !== '5' && folders.has(path)) {
        removeBelow(path, folders, hiding);
        folders.delete(path);
        hiding.add(path);
        isIrregular = true;
      } else if (type === '5' && entry !== undefined) {
        folders.set(path, entry);
      } else if (type === '5' && folders.get(path) !== undefined) {
        wrong.add(path);
      } else if (type === '5') {
        folders.set(path, undefined);
      }
    }
    above.push(
      withParents(
        [...wrong].map((path) => folderAt(path, folders)),
        folders,
        [],
      ),
    );
    irregular.push(isIrregular);
  }
  return { above, irregular };
}

function removeWhiteouts(paths: Iterable<string>, ...from: Removable[]): void {
  for (const path of paths) {
    const name = nameOf(path);
    const parent = parentOf(path);
    if (name === OPAQUE) {
      removeBelow(parent, ...from);
    } else if (name.startsWith(WHITEOUT)) {
      const gone = `${parent === '' ? '' : `${parent}/`}${name.slice(WHITEOUT.length)}`;
      removeBelow(gone, ...from);
      for (const one of from) {
        one.delete(gone);
      }
    }
  }
}

interface Removable {
  keys(): Iterable<string>;
  delete(path: string): boolean;
}

function removeBelow(path: string, ...from: Removable[]): void {
  for (const one of from) {
    for (const other of one.keys()) {
      if (path === '' || other.startsWith(`${path}/`)) {
        one.delete(other);
      }
    }
  }
}

/** Entries with the folders that they lie in, each before what is in it, which would be made anew otherwise. */
function withParents(
  entries: readonly TarEntry[],
  folders: ReadonlyMap<string, FolderAttributes | undefined>,
  there: Correction,
): TarEntry[] {
  const all = new Map(entries.map((entry) => [entry.name, entry]));
  for (const { name } of entries) {
    for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
      const parent = name.slice(0, slash);
      all.set(parent, all.get(parent) ?? folderAt(parent, folders));
    }
  }
  for (const { name } of there) {
    all.delete(name);
  }
  return [...all.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const PLAIN: FolderAttributes = { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: new Map() };

function folderAt(path: string, folders: ReadonlyMap<string, FolderAttributes | undefined>): TarEntry {
  return { ...(folders.get(path) ?? PLAIN), name: path, type: '5', linkname: '', size: 0, device: [0, 0] };
}

function whiteoutOf(path: string): TarEntry {
  const name = nameOf(path);
  const whiteout = `${path.slice(0, path.length - name.length)}${WHITEOUT}${name}`;
  return { ...PLAIN, name: whiteout, type: '0', linkname: '', size: 0, device: [0, 0] };
}
