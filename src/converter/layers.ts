import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import pRetry from 'p-retry';
import type { Descriptor } from '../registry/schema.ts';
import type { ReusableLayer } from './artifact.ts';
import { hasOrMounts } from './bring.ts';
import { isPassing } from './errors.ts';
import { dependsOnBelow } from './corrections.ts';
import type { ConversionJob } from './job.ts';
import { convertLayer, dataDigest, pushedBlob, type ConvertedLayer } from './layer.ts';
import type { BlobLayer } from './manifest.ts';
import type { ProgressMeter } from './progress.ts';
import type { SourceImage } from './source.ts';
import { extractTree } from './tree.ts';

/** Attempts that one layer gets beyond the first when the network breaks, so that the other layers are not lost with it. */
const RETRIES = 2;

/** Layers converted at the same time at most, whatever the cores: each holds a few pieces of its blob in memory. */
const PARALLEL_MAX = 8;

/** A layer of the artifact; one that was taken over is known by its tree alone. */
export type AvailableLayer = BlobLayer & Partial<ConvertedLayer>;

/** What became of the layers. */
export interface ConvertedLayers {
  /** By digest of the source layer. */
  blobs: Map<string, AvailableLayer>;
  /** How many of them an earlier artifact already held. */
  reused: number;
}

/**
 * Brings every layer into the target's repository as a RAFS blob, as many at once as there are cores: nydus-image uses one.
 * The biggest ones start first, so that none of them runs alone at the end. The first failure stops all.
 * @param layers distinct layers.
 * @param reusable layers of earlier artifacts by digest of the source layer.
 */
export async function convertLayers(
  layers: readonly Descriptor[],
  reusable: ReadonlyMap<string, ReusableLayer>,
  job: ConversionJob,
  progress: ProgressMeter,
  signal: AbortSignal,
): Promise<ConvertedLayers> {
  const limit = pLimit(Math.min(availableParallelism(), PARALLEL_MAX));
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const blobs = new Map<string, AvailableLayer>();
  let reused = 0;

  async function convertOne(layer: Descriptor): Promise<void> {
    stop.throwIfAborted();
    const earlier = reusable.get(layer.digest);
    const taken = earlier === undefined ? undefined : await takeOver(layer, earlier, job, stop);
    reused += taken === undefined ? 0 : 1;
    blobs.set(layer.digest, taken ?? (await convertWithRetries(layer, job, progress, stop)));
    progress.layerDone(layer.digest);
  }

  const ordered = layers.toSorted((a, b) => b.size - a.size);
  await Promise.allSettled(
    ordered.map((layer) => limit(convertOne, layer).catch((error: unknown) => failed.abort(error))),
  );
  stop.throwIfAborted();
  return { blobs, reused };
}

/**
 * Converts the layers anew that were taken over, but whose contents must be known: those below a layer that has files in
 * their folders, and no entries for these.
 */
export async function withContents(
  images: readonly SourceImage[],
  { blobs, reused }: ConvertedLayers,
  job: ConversionJob,
  progress: ProgressMeter,
  signal: AbortSignal,
): Promise<ConvertedLayers> {
  const unknown = images.flatMap(({ manifest: { layers } }) => {
    const last = layers.findLastIndex(({ digest }) => dependsOnBelow(blobs.get(digest)?.contents));
    return layers.slice(0, Math.max(0, last)).filter(({ digest }) => blobs.get(digest)?.contents === undefined);
  });
  const distinct = [...new Map(unknown.map((layer) => [layer.digest, layer])).values()];
  const anew = await convertLayers(distinct, new Map(), job, progress, signal);
  return { blobs: new Map([...blobs, ...anew.blobs]), reused: reused - distinct.length };
}

async function convertWithRetries(
  layer: Descriptor,
  job: ConversionJob,
  progress: ProgressMeter,
  signal: AbortSignal,
): Promise<ConvertedLayer> {
  const report = (bytes: number): void => progress.layer(layer.digest, bytes);
  return pRetry(() => convertLayer(layer, job, report, signal), {
    retries: RETRIES,
    signal,
    shouldRetry: ({ error }) => isPassing(error),
    onFailedAttempt: ({ error, retriesLeft }) => {
      job.log.warn({ layer: layer.digest, err: error, retriesLeft }, 'converting a layer failed');
    },
  });
}

/**
 * Takes over a layer that an earlier artifact holds, from another repository of the same registry if need be. Undefined if
 * it is gone, may not be mounted, or is not what it should be: then it is converted.
 */
async function takeOver(
  layer: Descriptor,
  { sourceDigest, digest, size, from }: ReusableLayer,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<BlobLayer | undefined> {
  const { trees, format, fsVersion, workDir } = job;
  try {
    const isThere = await hasOrMounts({ digest, size }, from, job, signal);
    if (!isThere || (format === 'Zran' && !(await hasOrMounts(layer, from, job, signal)))) {
      return undefined;
    }
    const scratch = join(workDir, `taken-${sourceDigest.replace(':', '-')}`);
    const data = dataDigest(sourceDigest, digest, job);
    const blob = pushedBlob(digest, size, job, signal);
    const { toc } = await extractTree(blob, digest, data, trees, scratch, fsVersion, signal);
    return { sourceDigest, digest, size, toc };
  } catch (error) {
    signal.throwIfAborted();
    job.log.warn({ layer: sourceDigest, blob: digest, err: error }, 'a layer cannot be taken over; it is converted');
    return undefined;
  }
}
