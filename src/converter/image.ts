import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteRange } from '../rafs/ranges.ts';
import type { Descriptor } from '../registry/schema.ts';
import { packBootstrap, type BootstrapFile } from './bootstrap.ts';
import { bringBlob } from './bring.ts';
import { planCorrections, type Correction } from './corrections.ts';
import { correctionTree } from './correctiontree.ts';
import { ConvertError } from './errors.ts';
import { inspectTrees } from './inspection.ts';
import { provenanceOf, type ConversionJob, type Endpoint } from './job.ts';
import type { AvailableLayer } from './layers.ts';
import { buildConfig, buildManifest, type BlobLayer, type ManifestDocument } from './manifest.ts';
import { dataDigest } from './layer.ts';
import { mergeArguments, readReport, runNydusImage, type IndexBlob } from './nydusimage.ts';
import { rangesToPrefetch } from './prefetch.ts';
import { pushDocument, pushFile } from './push.ts';
import type { SourceImage } from './source.ts';
import { WHITEOUT } from './tar/contents.ts';
import { chunkTableName, chunkTablePath, treePath } from './tree.ts';

/** One platform of the artifact: everything that the manifest names is pushed, the manifest is not. */
export interface AssembledImage {
  image: SourceImage;
  manifest: ManifestDocument;
}

/**
 * Makes the artifact of one platform from its converted layers: merges their trees, and pushes the bootstrap layer and the
 * config.
 * @param converted the converted layers by digest of the source layer.
 */
export async function assembleImage(
  image: SourceImage,
  converted: ReadonlyMap<string, AvailableLayer>,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<AssembledImage> {
  // From the lowest up; a layer that the image has twice is in it twice, as nydus-snapshotter's converter has it.
  const available = image.manifest.layers.flatMap(({ digest }) => converted.get(digest) ?? []);
  const { above, irregular } = planCorrections(available.map(({ contents }) => contents));
  const blobs = available.map((layer, i) => ({ ...layer, irregular: irregular[i] === true }));
  const folder = await mkdtemp(join(job.workDir, 'image-'));
  try {
    const trees = blobs.map(({ sourceDigest, digest }) => treePath(job.trees, dataDigest(sourceDigest, digest, job)));
    // While nydus-image merges, this process has nothing else to do.
    const [{ boot, referred }, inspection] = await Promise.all([
      merge(blobs, above, folder, job, signal),
      inspectTrees(image, trees, job),
    ]);
    await Promise.all(referred.map(({ blob, from }) => bringBlob(blob, from, job, signal)));
    const all = [...blobs, ...referred.map(({ blob }) => blob)];
    const path = join(folder, 'layer.tar.gz');
    const bootstrap = await packBootstrap([boot, ...chunkTables(all, job)], path, signal);
    await pushFile(path, bootstrap.digest, job, signal);
    const indexed = job.format === 'Zran';
    // The data of an indexed image is in the source's layers, which have descriptors of their own.
    const prefetch =
      indexed || job.prefetchPaths.length === 0 ? new Map<string, ByteRange[]>() : await rangesToPrefetch(boot.path);
    const layers = { blobs, referred: referred.map(({ blob }) => blob), indexed, prefetch, bootstrap, inspection };
    const config = buildConfig(image.config, layers);
    await pushDocument(config, job, signal);
    return { image, manifest: buildManifest(config.descriptor, layers, image.descriptor, provenanceOf(job)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The tree of an image, and the blobs of the dictionary that it refers to. */
interface Merged {
  boot: BootstrapFile;
  referred: { blob: Descriptor; from: Endpoint }[];
}

async function merge(
  blobs: readonly BlobLayer[],
  above: readonly Correction[],
  folder: string,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<Merged> {
  const bootstrap = join(folder, 'image.boot');
  const report = join(folder, 'report.json');
  const trees: TreeSource[] = [];
  const [lowest] = blobs;
  const dataOf = ({ sourceDigest, digest }: BlobLayer): string => dataDigest(sourceDigest, digest, job);
  // nydus-image leaves whiteouts in the lowest tree, unless an empty one lies below. Only then: it makes the merge slower.
  if (lowest !== undefined && (await readFile(treePath(job.trees, dataOf(lowest)))).includes(WHITEOUT)) {
    trees.push(await correctionSource([], folder, job, signal));
  }
  for (const [i, blob] of blobs.entries()) {
    const correction = above[i] ?? [];
    trees.push({ path: treePath(job.trees, dataOf(blob)), index: indexOf(blob) });
    trees.push(...(correction.length === 0 ? [] : [await correctionSource(correction, folder, job, signal)]));
  }
  const args = mergeArguments({
    bootstraps: trees.map(({ path }) => path),
    bootstrap,
    report,
    dictionary: job.dictionary?.bootstrap,
    indexes: job.format === 'Zran' ? trees.map(({ index }) => index) : [],
  });
  await job.watches.build.during(() => runNydusImage(job.nydusImage, args, job.prefetchPaths, signal));
  const own = new Set(blobs.map(dataOf));
  const others = (await readReport(report)).blobs.filter((hex) => !own.has(`sha256:${hex}`));
  const referred = others.flatMap((hex) => {
    const blob = job.dictionary?.blobs.get(hex);
    return blob === undefined || job.dictionary === undefined ? [] : [{ blob, from: job.dictionary.from }];
  });
  if (referred.length < others.length) {
    throw new ConvertError('ConversionFailed', `nydus-image merge refers to blobs of no layer: ${others.join(', ')}`);
  }
  return { boot: { name: 'image.boot', path: bootstrap }, referred };
}

/** A tree to merge. */
interface TreeSource {
  path: string;
  index: IndexBlob;
}

/** The tree of a correction, which refers to no blob: nydus-image wants one named all the same. */
async function correctionSource(
  correction: Correction,
  folder: string,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<TreeSource> {
  const none = '0'.repeat(64);
  return { path: await correctionTree(correction, folder, job, signal), index: { digest: none, size: 0, toc: none } };
}

function indexOf({ digest, size, toc = '' }: BlobLayer): IndexBlob {
  return { digest, size, toc };
}

/** The layers' chunk tables, which spare nydusd a request for each; newer converters put them beside the tree, too. */
function chunkTables(blobs: readonly Pick<Descriptor, 'digest'>[], { trees }: ConversionJob): BootstrapFile[] {
  const digests = [...new Set(blobs.map(({ digest }) => digest))];
  return digests
    .map((digest) => ({ name: chunkTableName(digest), path: chunkTablePath(trees, digest) }))
    .filter(({ path }) => existsSync(path));
}
