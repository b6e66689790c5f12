import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { packBootstrap, type BootstrapFile } from './bootstrap.ts';
import { planCorrections, type Correction } from './corrections.ts';
import { ConvertError } from './errors.ts';
import type { ConversionJob } from './job.ts';
import { correctionTree } from './correctiontree.ts';
import type { AvailableLayer } from './layers.ts';
import { buildConfig, buildManifest, type BlobLayer, type ManifestDocument, type Provenance } from './manifest.ts';
import { mergeArguments, readReport, runNydusImage } from './nydusimage.ts';
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
  provenance: Provenance,
  signal: AbortSignal,
): Promise<AssembledImage> {
  // From the lowest up; a layer that the image has twice is in it twice, as nydus-snapshotter's converter has it.
  const layers = image.layers.flatMap(({ digest }) => converted.get(digest) ?? []);
  const { above, irregular } = planCorrections(layers.map(({ contents }) => contents));
  const blobs = layers.map((layer, i) => ({ ...layer, irregular: irregular[i] === true }));
  const folder = await mkdtemp(join(job.workDir, 'image-'));
  try {
    const boot = await merge(blobs, above, folder, job, signal);
    const path = join(folder, 'layer.tar.gz');
    const bootstrap = await packBootstrap([boot, ...chunkTables(blobs, job)], path, signal);
    await pushFile(path, bootstrap.digest, job, signal);
    const config = buildConfig(image.config, blobs, bootstrap);
    await pushDocument(config, job, signal);
    return { image, manifest: buildManifest(config.descriptor, blobs, bootstrap, image.descriptor, provenance) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function merge(
  blobs: readonly BlobLayer[],
  above: readonly Correction[],
  folder: string,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<BootstrapFile> {
  const bootstrap = join(folder, 'image.boot');
  const report = join(folder, 'report.json');
  const bootstraps: string[] = [];
  const [lowest] = blobs;
  // nydus-image leaves whiteouts in the lowest tree, unless an empty one lies below. Only then: it makes the merge slower.
  if (lowest !== undefined && (await readFile(treePath(job.trees, lowest.digest))).includes(WHITEOUT)) {
    bootstraps.push(await correctionTree([], folder, job, signal));
  }
  for (const [i, { digest }] of blobs.entries()) {
    const correction = above[i] ?? [];
    bootstraps.push(treePath(job.trees, digest));
    bootstraps.push(...(correction.length === 0 ? [] : [await correctionTree(correction, folder, job, signal)]));
  }
  const args = mergeArguments({ bootstraps, bootstrap, report });
  await job.watches.build.during(() => runNydusImage(job.nydusImage, args, job.prefetchPaths, signal));
  const known = new Set(blobs.map(({ digest }) => digest));
  const unknown = (await readReport(report)).blobs.filter((hex) => !known.has(`sha256:${hex}`));
  if (unknown.length > 0) {
    throw new ConvertError('ConversionFailed', `nydus-image merge refers to blobs of no layer: ${unknown.join(', ')}`);
  }
  return { name: 'image.boot', path: bootstrap };
}

/** The layers' chunk tables, which spare nydusd a request for each; newer converters put them beside the tree, too. */
function chunkTables(blobs: readonly BlobLayer[], { trees }: ConversionJob): BootstrapFile[] {
  const digests = [...new Set(blobs.map(({ digest }) => digest))];
  return digests
    .map((digest) => ({ name: chunkTableName(digest), path: chunkTablePath(trees, digest) }))
    .filter(({ path }) => existsSync(path));
}
