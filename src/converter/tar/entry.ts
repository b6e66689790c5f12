import type { ByteReader } from './bytes.ts';
import { BadLayerError, shown } from './errors.ts';
import { BLOCK, decodeHeader, isZero, padding, type TarEntry } from './header.ts';
import { decodePax } from './pax.ts';
import { sparseOf, type Sparse } from './sparse.ts';

/** Bytes of a header that extends another one, as Go's archive/tar has it, and so container runtimes. */
const EXTENSION_LIMIT = 1 << 20;

const XATTR = 'SCHILY.xattr.';

/** An entry as it comes, with what its extension headers say. */
export interface ReadEntry extends TarEntry {
  /** Where the content belongs, if it is that of a sparse file. */
  sparse: Sparse | undefined;
  /** Whether its own header says what nydus-image reads there alone: owner and times, and that no global header came before. */
  inHeader: boolean;
}

/** What the headers before an entry say of it. */
interface Extension {
  isGlobal: boolean;
  records: [key: string, value: Buffer][];
  name?: string;
  linkname?: string;
}

/**
 * Reads the next entry, whose content and padding come after it; undefined at the end of the tar. It is understood as Go's
 * archive/tar does, and so by container runtimes: of two zero blocks everything behind is ignored, and so are global headers.
 */
export async function nextEntry(bytes: ByteReader): Promise<ReadEntry | undefined> {
  const extension: Extension = { isGlobal: false, records: [] };
  for (;;) {
    const block = await bytes.take(BLOCK);
    if (block === undefined || (isZero(block) && (await isEnd(bytes)))) {
      return undefined;
    }
    const header = decodeHeader(block);
    switch (header.type) {
      case 'x':
        extension.records = decodePax(await extensionOf(header, bytes));
        break;
      case 'g':
        extension.isGlobal = true;
        await extensionOf(header, bytes);
        break;
      case 'L':
        extension.name = longText(await extensionOf(header, bytes));
        break;
      case 'K':
        extension.linkname = longText(await extensionOf(header, bytes));
        break;
      default:
        return extended(header, extension);
    }
  }
}

async function isEnd(bytes: ByteReader): Promise<boolean> {
  const block = await bytes.take(BLOCK);
  if (block !== undefined && !isZero(block)) {
    throw new BadLayerError('its tar is broken: a block of zeros stands between two files. Push the image again');
  }
  return true;
}

async function extensionOf({ size }: TarEntry, bytes: ByteReader): Promise<Buffer> {
  if (size > EXTENSION_LIMIT) {
    throw new BadLayerError(`its tar has a header of ${size} bytes; runtimes take ${EXTENSION_LIMIT}`);
  }
  const content = await bytes.need(size);
  await bytes.skip(padding(size));
  return content;
}

function longText(content: Buffer): string {
  return content.toString('latin1').split('\0', 1)[0] ?? '';
}

function extended(header: TarEntry, { isGlobal, records, name, linkname }: Extension): ReadEntry {
  // A record without a value takes nothing from the header.
  const values = new Map(records.filter(([, value]) => value.length > 0).map(([key, value]) => [key, value]));
  const textOf = (key: string): string | undefined => values.get(key)?.toString('latin1');
  const sparse = header.type === '0' || header.type === '\0' ? sparseOf(records, textOf) : undefined;
  const path = sparse?.name ?? name ?? textOf('path') ?? header.name;
  const numberOf = (key: string, field: number): number => {
    const value = Math.floor(Number(textOf(key) ?? field));
    if (!Number.isSafeInteger(value)) {
      throw new BadLayerError(`the PAX header of ${shown(path)} has a ${key} that is no number. Build the image again`);
    }
    return value;
  };
  const isFolder = header.type === '5' || (header.type === '\0' && path.endsWith('/'));
  const type = isFolder ? '5' : header.type === '\0' ? '0' : header.type;
  const [uid, gid, mtime] = [numberOf('uid', header.uid), numberOf('gid', header.gid), numberOf('mtime', header.mtime)];
  const isSame = uid === header.uid && gid === header.gid && mtime === header.mtime;
  return {
    ...header,
    type,
    name: path,
    linkname: linkname ?? textOf('linkpath') ?? header.linkname,
    uid,
    gid,
    // Whatever the header of something without content says, none follows.
    size: /[1-6]/.test(type) ? 0 : numberOf('size', header.size),
    mtime,
    xattrs: new Map(
      // Copied: the contents of a layer keep them, and would keep the piece of the tar with them.
      records.flatMap(([key, value]) =>
        key.startsWith(XATTR) ? [[key.slice(XATTR.length), Buffer.from(value)] as const] : [],
      ),
    ),
    sparse,
    inHeader: isSame && !isGlobal && sparse === undefined,
  };
}
