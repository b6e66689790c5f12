import { entries5 } from './entries5.ts';
import { entries6 } from './entries6.ts';
import { readRafs } from './tree.ts';

/** Something in a tree. Of what a layer says of itself, times, owners and attributes are left out. */
export interface TreeEntry {
  /** Without slashes around it; '' is the root. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'other';
  /** Permissions, set-ID and sticky bits. */
  readonly mode: number;
  /** Bytes of content, not compressed. */
  readonly size: number;
  /** The same for the same content, also in other trees of the same version that the same builder made. */
  readonly content?: string;
  /** The same for all names of one file; absent where it has no other. */
  readonly links?: number;
}

/**
 * Everything in a RAFS bootstrap, whiteouts included where it is the tree of a layer. Not a byte of it is trusted.
 * @param contentFrom bytes of the smallest file whose content is told.
 * @throws TreeError saying what is wrong with it
 */
export function readEntries(bootstrap: Buffer, contentFrom: number): TreeEntry[] {
  return readRafs(bootstrap, { 6: (tree) => entries6(tree, contentFrom), 5: (tree) => entries5(tree, contentFrom) });
}
