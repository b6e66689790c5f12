import { COMPARED_FROM } from './entry.ts';
import type { Gather } from './findings.ts';
import { placeOfFile, placeOfFolder, type Place } from './places.ts';
import type { Stack, StackNode, Visible } from './stack.ts';

const SETUID = 0o6000;
const STICKY = 0o1000;
const OTHERS_WRITE = 0o002;

/** Looks at everything that is to be seen: where it is, and what its mode lets others do. */
export function lookAround({ root }: Stack, gather: Gather): void {
  const open: { node: StackNode; path: string; place: Place | undefined }[] = [
    { node: root, path: '', place: undefined },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const [name, child] of next.node.children ?? []) {
      if (child.live === 0) {
        continue;
      }
      const path = next.path === '' ? name : `${next.path}/${name}`;
      const { visible } = child;
      if (visible !== undefined) {
        checkMode(visible, path, gather);
      }
      if (visible?.file !== undefined) {
        const size = visible.isFirst ? visible.file.size : 0;
        const place = next.place ?? placeOfFile(next.path, name, size);
        if (place !== undefined) {
          gather(place.code, visible.layer, path, size, { kind: place.kind });
        }
      }
      if (child.children !== undefined) {
        open.push({ node: child, path, place: next.place ?? placeOfFolder(path) });
      }
    }
  }
}

function checkMode({ kind, mode, layer, file, isFirst }: Visible, path: string, gather: Gather): void {
  const size = isFirst ? (file?.size ?? 0) : 0;
  if (kind === 'file' && (mode & SETUID) !== 0) {
    gather('SetuidFiles', layer, path, size);
  }
  // A link has every right, and a device node what its driver gives.
  const isOpen = (mode & OTHERS_WRITE) !== 0 && (kind === 'file' || (kind === 'folder' && (mode & STICKY) === 0));
  if (isOpen) {
    gather('WorldWritable', layer, path, size, { kind: kind === 'folder' ? 'folders' : undefined });
  }
}

/** Finds content that a layer has again, at another path than one below it. */
export function findDuplicates({ root }: Stack, gather: Gather): void {
  const lowest = new Map<string, { layer: number; path: string }>();
  for (const { path, file } of comparedFiles(root)) {
    const known = lowest.get(file.content);
    if (known === undefined || file.layer < known.layer || (file.layer === known.layer && path < known.path)) {
      lowest.set(file.content, { layer: file.layer, path });
    }
  }
  for (const { path, file } of comparedFiles(root)) {
    const first = lowest.get(file.content);
    if (first !== undefined && file.layer > first.layer) {
      gather('DuplicateFiles', file.layer, path, file.size, { of: `/${first.path} of layer ${first.layer + 1}` });
    }
  }
}

/** The files that are to be seen and big enough to be compared, each once. */
function* comparedFiles(
  root: StackNode,
): Generator<{ path: string; file: { layer: number; size: number; content: string } }> {
  const open = [{ node: root, path: '' }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const [name, child] of next.node.children ?? []) {
      const path = next.path === '' ? name : `${next.path}/${name}`;
      const { visible, children } = child;
      if (visible?.isFirst === true && visible.file?.content !== undefined && visible.file.size >= COMPARED_FROM) {
        const { layer, size, content } = visible.file;
        yield { path, file: { layer, size, content } };
      }
      if (children !== undefined && child.live > 0) {
        open.push({ node: child, path });
      }
    }
  }
}
