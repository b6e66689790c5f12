import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { CredentialStore } from '../registry/auth.ts';
import type { RegistryClient } from '../registry/client.ts';
import { formatReference, parseReference } from '../registry/reference.ts';
import type { Descriptor } from '../registry/schema.ts';
import { platformResult, readArtifact, type TargetOptions } from './artifact.ts';
import { LAYER_BOUNDS, type LayerBounds } from './bounds.ts';
import { ConvertError, failureOf, isDiskFull } from './errors.ts';
import { assembleImage, type AssembledImage } from './image.ts';
import { mainInspection } from './inspection.ts';
import type { ConversionJob, Endpoint } from './job.ts';
import { keepEarlier } from './keep.ts';
import { convertLayers, withContents } from './layers.ts';
import { fsVersionOf, PIPELINE_VERSION } from './nydus.ts';
import { builderVersion } from './nydusimage.ts';
import type { ConvertRequest } from './options.ts';
import { progressMeter, type Progress } from './progress.ts';
import { publish } from './publish.ts';
import type { ConvertResult, ConvertSuccess, PlatformResult } from './result.ts';
import { planParts } from './parts.ts';
import { findReusable, findWhole, readEarlier } from './reuse.ts';
import { resolveSource, type Source, type SourceImage } from './source.ts';
import { stopwatch } from './stopwatch.ts';

/** What a conversion works with. */
export interface ConvertDependencies {
  registry: RegistryClient;
  credentials: { source?: CredentialStore | undefined; target?: CredentialStore | undefined };
  log: Logger;
  /** Told at most once a second, and at the end. */
  onProgress: (progress: Progress) => void;
  /** Path of nydus-image. */
  nydusImage: string;
  /** {@link LAYER_BOUNDS} by default. */
  bounds?: LayerBounds;
  /** Monotonic milliseconds. */
  now?: () => number;
}

/**
 * Converts an image to Nydus and pushes the artifact. The target's tag moves last, when everything that it names is in the
 * registry; a conversion that fails or is stopped leaves it as it was. Where the tag already names the artifact of this very
 * source and these options, nothing is done.
 * @param signal stops the conversion; the result then is a failure worth another attempt.
 * @returns the failure as a result: it does not throw.
 */
export async function convert(
  request: ConvertRequest,
  dependencies: ConvertDependencies,
  signal: AbortSignal,
): Promise<ConvertResult> {
  let folder: string | undefined;
  try {
    const job = await prepare(request, dependencies, signal);
    folder = job.workDir;
    return await job.watches.total.during(() => run(request, job, dependencies, signal));
  } catch (error) {
    if (signal.aborted) {
      return failureOf(new ConvertError('ConversionFailed', 'the conversion was stopped', { permanent: false }));
    }
    return failureOf(isDiskFull(error) ? diskFull(request, error) : error);
  } finally {
    if (folder !== undefined) {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

async function prepare(
  request: ConvertRequest,
  { registry, credentials, log, nydusImage, bounds = LAYER_BOUNDS, now = monotonic }: ConvertDependencies,
  signal: AbortSignal,
): Promise<ConversionJob> {
  const source = endpoint(request.source, credentials.source);
  const target = endpoint(request.target, credentials.target);
  if (target.reference.tag === undefined || target.reference.digest !== undefined) {
    throw new ConvertError('InvalidSpec', `${request.target} cannot be pushed to: give it a tag and no digest`);
  }
  const builder = await builderVersion(nydusImage, signal);
  await mkdir(request.workDir, { recursive: true });
  const workDir = await mkdtemp(join(request.workDir, 'convert-'));
  const trees = join(workDir, 'trees');
  await mkdir(trees);
  return {
    registry,
    source,
    sourceReference: request.source,
    target,
    nydusImage,
    builder,
    format: request.format,
    fsVersion: fsVersionOf(request.format),
    compressor: request.compressor,
    prefetchPaths: request.prefetchPaths,
    optionsHash: request.optionsHash,
    layerOptions: [PIPELINE_VERSION, request.format, request.compressor].join('/'),
    bounds,
    workDir,
    trees,
    watches: { pull: stopwatch(now), build: stopwatch(now), push: stopwatch(now), total: stopwatch(now) },
    traffic: { read: 0, pushed: 0 },
    chunks: { deduplicated: 0, bytesDeduplicated: 0, bytesNew: 0 },
    log,
  };
}

async function run(
  request: ConvertRequest,
  job: ConversionJob,
  { credentials, onProgress, now = monotonic }: ConvertDependencies,
  signal: AbortSignal,
): Promise<ConvertSuccess> {
  const { registry, log } = job;
  const source = await resolveSource(job.source.reference, request.platforms, {
    registry,
    credentials: job.source.credentials,
    signal,
  });
  const layers = distinctLayers(source.images);
  const target: TargetOptions = { registry, credentials: job.target.credentials, signal };
  const current = await readArtifact(job.target.reference, target);
  const whole = current === undefined ? undefined : await findWhole(current, source, job, target);
  if (current !== undefined && whole !== undefined) {
    log.info({ digest: current.digest }, 'the artifact is there already');
    const made = await keepEarlier(current.digest, job, signal);
    const inspection = mainInspection(current.manifests.map(({ manifest }) => manifest));
    const layerCounts = { total: layers.length, reused: layers.length };
    return { ...success(current.digest, whole, source, layerCounts, inspection, job), made };
  }

  const sizes = new Map(layers.map(({ digest, size }) => [digest, size]));
  const progress = progressMeter(sizes, onProgress, now);
  const earlier = await readEarlier(request.reuse, current, job, target);
  const place = (image: string): Endpoint => endpoint(image, credentials.target ?? credentials.source);
  const parts = await planParts(request.chunkDictionary, source, earlier, job, place, signal);
  const assembled: AssembledImage[] = [];
  let reused = 0;
  for (const { images, dictionary } of parts) {
    const part = { ...job, dictionary };
    const available = await convertLayers(distinctLayers(images), findReusable(earlier, part), part, progress, signal);
    const converted = await withContents(images, available, part, progress, signal);
    reused += converted.reused;
    for (const image of images) {
      assembled.push(await assembleImage(image, converted.blobs, part, signal));
    }
  }
  const { digest, made } = await publish(assembled, source.digest, job, signal);
  progress.finish();

  const platforms = assembled.map(({ image, manifest }) =>
    platformResult(image.name, image.descriptor.digest, manifest),
  );
  const inspection = mainInspection(assembled.map(({ manifest }) => manifest.manifest));
  return { ...success(digest, platforms, source, { total: layers.length, reused }, inspection, job), made };
}

/** The layers of several platforms, each once. */
function distinctLayers(images: readonly SourceImage[]): Descriptor[] {
  return [...new Map(images.flatMap(({ manifest }) => manifest.layers.map((layer) => [layer.digest, layer]))).values()];
}

function success(
  digest: string,
  platforms: PlatformResult[],
  source: Source,
  layers: ConvertSuccess['layers'],
  inspection: ConvertSuccess['inspection'],
  { target, builder, watches: { pull, build, push, total }, traffic, chunks }: ConversionJob,
): ConvertSuccess {
  return {
    ok: true,
    digest,
    image: formatReference({ ...target.reference, digest }),
    sourceDigest: source.digest,
    builder,
    platforms,
    timings: { pull: pull.elapsed(), build: build.elapsed(), push: push.elapsed(), total: total.elapsed() },
    bytesRead: traffic.read,
    bytesPushed: traffic.pushed,
    layers,
    chunks,
    ...(inspection === undefined ? {} : { inspection }),
  };
}

function diskFull({ workDir }: ConvertRequest, cause: unknown): ConvertError {
  const what = `there is no room left in ${workDir}`;
  const remedy = 'free space on the node, or let conversions have more of it (conversion.workSizeLimit)';
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ConvertError('ConversionFailed', `${what}: ${remedy}. ${why}`, { permanent: false, cause });
}

function endpoint(image: string, credentials: CredentialStore | undefined): Endpoint {
  const reference = parseReference(image);
  return { reference, credentials: credentials?.lookup(reference.registry, reference.repository) };
}

function monotonic(): number {
  return performance.now();
}
