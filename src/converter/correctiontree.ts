import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobReader } from './blobtoc.ts';
import type { Correction } from './corrections.ts';
import type { ConversionJob } from './job.ts';
import { createArguments, indexArguments, runNydusImage } from './nydusimage.ts';
import { BLOCK } from './tar/header.ts';
import { headersOf } from './tar/rewrite.ts';
import { extractTree, treePath } from './tree.ts';

/**
 * Makes the tree of a correction, which has no content and so no blob.
 * @param folder where the tree is left.
 * @returns its path.
 */
export async function correctionTree(
  correction: Correction,
  folder: string,
  { nydusImage, format, fsVersion, compressor, watches }: ConversionJob,
  signal: AbortSignal,
): Promise<string> {
  const place = await mkdtemp(join(folder, 'correction-'));
  try {
    const [tar, blob, report] = [join(place, 'layer.tar'), join(place, 'blob'), join(place, 'report.json')];
    const bytes = Buffer.concat([...correction.flatMap(headersOf), Buffer.alloc(2 * BLOCK)]);
    await writeFile(tar, bytes);
    const args =
      format === 'Zran'
        ? indexArguments({ tar, blob, report })
        : createArguments({ tar, blob, report, fsVersion, compressor });
    await watches.build.during(() => runNydusImage(nydusImage, args, [], signal));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await extractTree(await fileReader(blob), digest, digest, folder, join(place, 'tree'), fsVersion, signal);
    return treePath(folder, digest);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function fileReader(path: string): Promise<BlobReader> {
  const { size } = await stat(path);
  return {
    size,
    read: (offset, length) => Promise.resolve(createReadStream(path, { start: offset, end: offset + length - 1 })),
  };
}
