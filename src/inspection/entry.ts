/** What the names start with that take away what lies in layers below (OCI Image Specification, "Whiteouts"). */
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * Smallest file, in bytes, whose content is compared with that of others: smaller ones are many, and what their copies take is
 * little.
 */
export const COMPARED_FROM = 4096;

/** Something that a layer has at a path, as a container runtime would extract it. */
export interface LayerEntry {
  /** Without slashes around it; '' is the root. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'other';
  /** Permissions, set-ID and sticky bits. */
  readonly mode: number;
  /** Bytes of content, not compressed. */
  readonly size: number;
  /** The same for the same content, of files of {@link COMPARED_FROM} bytes and more. Only comparable within one image. */
  readonly content?: string | undefined;
  /** The same for all names of one file within the layer; absent where it has no other. */
  readonly links?: number | undefined;
}

/** What a whiteout takes away of the layers below: everything in a folder, or what is at a path. */
export interface Whiteout {
  readonly path: string;
  readonly isOpaque: boolean;
}

/** What an entry takes away, or undefined if it is something itself. */
export function whiteoutOf({ path }: LayerEntry): Whiteout | undefined {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  if (!name.startsWith(WHITEOUT)) {
    return undefined;
  }
  return name === OPAQUE
    ? { path: path.slice(0, Math.max(0, slash)), isOpaque: true }
    : { path: `${path.slice(0, slash + 1)}${name.slice(WHITEOUT.length)}`, isOpaque: false };
}
