import { whiteoutOf, type LayerEntry, type Whiteout } from './entry.ts';

/** The content of a file, under all the names that its layer gives it. */
export interface StackedFile {
  /** Number of its layer, 0 for the lowest. */
  readonly layer: number;
  readonly size: number;
  readonly content: string | undefined;
  /** Its first name, where it has several. */
  readonly name: string | undefined;
  /** Names that are still to be seen. */
  names: number;
}

/** What is to be seen at a path. */
export interface Visible {
  readonly kind: LayerEntry['kind'];
  readonly mode: number;
  readonly layer: number;
  /** Of files. */
  readonly file?: StackedFile;
  /** Whether the file is counted here, and not under another of its names. */
  readonly isFirst: boolean;
}

/** A path of the image, and what is below it. */
export interface StackNode {
  visible?: Visible;
  /** The least bytes that a layer has here: none where one deletes it. Undefined where none has a file here. */
  least?: number;
  children?: Map<string, StackNode>;
  /** How much is to be seen here and below. */
  live: number;
}

/** A file that a layer hides. */
export interface Hidden {
  readonly file: StackedFile;
  readonly path: string;
  /** Number of the layer that hides it. */
  readonly by: number;
  readonly how: 'deleted' | 'overwritten';
  /** Whether the very same content takes its place. */
  readonly isSame: boolean;
}

/** The layers of an image, laid over each other one by one. */
export interface Stack {
  readonly root: StackNode;
  /** Bytes of the files of all layers so far. */
  bytes: number;
  /** Layers so far. */
  layers: number;
}

/** A stack without a layer. */
export function emptyStack(): Stack {
  return { root: { live: 0 }, bytes: 0, layers: 0 };
}

/**
 * Lays a layer over those below.
 * @param entries in any order; of a file with several names the first one of the alphabet counts.
 * @param onHidden told of each file of a layer below of which no name is to be seen any more.
 */
export function layOver(stack: Stack, entries: readonly LayerEntry[], onHidden: (hidden: Hidden) => void): void {
  const layer = stack.layers;
  stack.layers += 1;
  for (const entry of entries) {
    const whiteout = whiteoutOf(entry);
    if (whiteout !== undefined) {
      takeAway(stack.root, whiteout, layer, onHidden);
    }
  }
  const linked = new Map<number, StackedFile>();
  for (const entry of inOrder(entries)) {
    if (entry.path !== '' && whiteoutOf(entry) === undefined) {
      stack.bytes += put(stack.root, entry, layer, linked, onHidden);
    }
  }
}

/** Has the names of each file come in the same order, whatever told of them. */
function inOrder(entries: readonly LayerEntry[]): LayerEntry[] {
  const linked = entries.filter(({ links }) => links !== undefined);
  return [
    ...entries.filter(({ links }) => links === undefined),
    ...linked.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  ];
}

/** Bytes of files as they are, over those that all layers have at their paths: what `dive` calls efficiency, 0 to 1. */
export function efficiencyOf({ root, bytes }: Stack): number {
  let least = 0;
  const open = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    least += node.least ?? 0;
    for (const child of node.children?.values() ?? []) {
      open.push(child);
    }
  }
  return bytes === 0 ? 1 : least / bytes;
}

function takeAway(
  root: StackNode,
  { path, isOpaque }: Whiteout,
  layer: number,
  onHidden: (hidden: Hidden) => void,
): void {
  const way = wayTo(root, path);
  const node = way?.at(-1);
  if (way === undefined || node === undefined) {
    return;
  }
  hide(way, path, isOpaque ? 'what is below' : 'all', (file, at) =>
    onHidden({ file, path: file.name ?? at, by: layer, how: 'deleted', isSame: false }),
  );
}

/** The nodes from the root to a path, or undefined where nothing was ever there. */
function wayTo(root: StackNode, path: string): StackNode[] | undefined {
  const way = [root];
  for (const name of path === '' ? [] : path.split('/')) {
    const next = way.at(-1)?.children?.get(name);
    if (next === undefined) {
      return undefined;
    }
    way.push(next);
  }
  return way;
}

/**
 * Hides what is at the end of a way and below it.
 * @param what `replaced`: all of it, but another file comes to the same path.
 */
function hide(
  way: readonly StackNode[],
  path: string,
  what: 'all' | 'what is below' | 'replaced',
  onLast: (file: StackedFile, path: string) => void,
): void {
  const top = way.at(-1);
  if (top === undefined) {
    return;
  }
  const before = top.live;
  const open = [{ node: top, path }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, path: at } = next;
    const { visible } = node;
    const stays = node === top && what === 'what is below';
    if (visible !== undefined && !stays) {
      delete node.visible;
      if (visible.isFirst && !(node === top && what === 'replaced')) {
        node.least = 0;
      }
      forget(visible, at, onLast);
    }
    for (const [name, child] of node.children ?? []) {
      // Else this would go through what was hidden before again and again.
      if (child.live > 0) {
        open.push({ node: child, path: at === '' ? name : `${at}/${name}` });
      }
    }
    node.live = stays && visible !== undefined ? 1 : 0;
  }
  for (const above of way.slice(0, -1)) {
    above.live -= before - top.live;
  }
}

function forget({ file }: Visible, path: string, onLast: (file: StackedFile, path: string) => void): void {
  if (file !== undefined) {
    file.names -= 1;
    if (file.names === 0) {
      onLast(file, path);
    }
  }
}

/** @returns bytes of content that the layer has for it. */
function put(
  root: StackNode,
  entry: LayerEntry,
  layer: number,
  linked: Map<number, StackedFile>,
  onHidden: (hidden: Hidden) => void,
): number {
  const { path, kind, mode, size, content, links } = entry;
  const known = links === undefined ? undefined : linked.get(links);
  const file =
    kind === 'file'
      ? (known ?? { layer, size, content, names: 0, name: links === undefined ? undefined : path })
      : undefined;
  if (file !== undefined) {
    file.names += 1;
    if (links !== undefined) {
      linked.set(links, file);
    }
  }
  const isFirst = file !== undefined && known === undefined;
  const onLast = (before: StackedFile, at: string): void => {
    const isSame = before.content !== undefined && before.content === file?.content && at === path;
    onHidden({ file: before, path: before.name ?? at, by: layer, how: 'overwritten', isSame });
  };
  const way = [root];
  let node = root;
  let at = '';
  for (const name of path.split('/')) {
    // What is no folder makes room for one.
    clear(way, at, onLast);
    at = at === '' ? name : `${at}/${name}`;
    node.children ??= new Map();
    const next = node.children.get(name) ?? { live: 0 };
    node.children.set(name, next);
    way.push(next);
    node = next;
  }
  if (kind !== 'folder' || node.visible?.kind !== 'folder') {
    hide(way, path, kind === 'file' ? 'replaced' : 'all', onLast);
  }
  const added = node.visible === undefined ? 1 : 0;
  for (const above of way) {
    above.live += added;
  }
  node.visible = { kind, mode, layer, isFirst, ...(file === undefined ? {} : { file }) };
  if (!isFirst) {
    return 0;
  }
  // Zero once it was deleted; of a file that is only replaced, the least that it ever was.
  node.least = Math.min(node.least ?? size, size);
  return size;
}

/** Hides a file that stands where a folder must be, unless the layer has put it there itself. */
function clear(way: readonly StackNode[], path: string, onLast: (file: StackedFile, path: string) => void): void {
  const node = way.at(-1);
  if (node?.visible !== undefined && node.visible.kind !== 'folder') {
    hide(way, path, 'all', onLast);
  }
}
