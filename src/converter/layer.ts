import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BlobUpload } from '../registry/client.ts';
import { RegistryError } from '../registry/errors.ts';
import { formatReference } from '../registry/reference.ts';
import type { Descriptor } from '../registry/schema.ts';
import type { BlobReader } from './blobtoc.ts';
import { layerMeter } from './bounds.ts';
import { openLayer } from './decompress.ts';
import { ConvertError, explain, explained } from './errors.ts';
import { makeFifos, openFifoReader, openFifoWriter } from './fifo.ts';
import { collected } from './garbage.ts';
import { callOptions, type ConversionJob } from './job.ts';
import type { BlobLayer } from './manifest.ts';
import { createArguments, indexArguments, NydusImageError, readReport, runNydusImage } from './nydusimage.ts';
import { openIndexed } from './indexed.ts';
import { keepTail, withTail } from './tail.ts';
import { emptyContents, type LayerContents } from './tar/contents.ts';
import { BadLayerError } from './tar/errors.ts';
import { inspectTar } from './tar/inspect.ts';
import { rewriteTar } from './tar/rewrite.ts';
import { extractTree } from './tree.ts';

/** Bytes of a new blob's end that are kept, fewer than a piece has: as a rule the layer's tree is among them and need not be read back. */
const TAIL = 4 << 20;

/** A layer whose blob is in the target's repository. */
export interface ConvertedLayer extends BlobLayer {
  contents: LayerContents;
}

/** What became of the bytes that nydus-image wrote. */
interface Pushed {
  digest: string;
  size: number;
  tail: Buffer;
}

/**
 * Converts one layer while it streams by: registry → digest check → decompression → rewriting of its tar → nydus-image →
 * registry. Nothing of it touches the disk, and its tree is left in `job.trees`.
 * @param onBytes told how many bytes of the source layer have been read so far.
 * @throws ConvertError. Nothing is committed to the target then.
 */
export async function convertLayer(
  layer: Descriptor,
  job: ConversionJob,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<ConvertedLayer> {
  const folder = await mkdtemp(join(job.workDir, 'layer-'));
  const contents = emptyContents();
  try {
    const upload = await explained('target', pushing(job), () =>
      job.registry.startUpload(job.target.reference, callOptions(job.target, signal)),
    );
    const { digest, size, tail } = await commitOrAbort(upload, job, () =>
      run(layer, contents, upload, folder, job, onBytes, signal),
    );
    const blob = withTail(pushedBlob(digest, size, job, signal), tail);
    const { toc } = await explained('target', `read back blob ${digest}`, () =>
      extractTree(
        blob,
        digest,
        dataDigest(layer.digest, digest, job),
        job.trees,
        join(folder, 'tree'),
        job.fsVersion,
        signal,
      ),
    );
    return { sourceDigest: layer.digest, digest, size, toc, contents };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where the data of a layer is: in its blob, or in the layer of the source itself. */
export function dataDigest(sourceDigest: string, digest: string, { format }: ConversionJob): string {
  return format === 'Zran' ? sourceDigest : digest;
}

/** A blob in the target's repository, read by ranges. */
export function pushedBlob(digest: string, size: number, job: ConversionJob, signal: AbortSignal): BlobReader {
  const { registry, target } = job;
  return {
    size,
    read: (offset, length) =>
      registry.blob(target.reference, { digest, size }, { ...callOptions(target, signal), range: { offset, length } }),
  };
}

async function commitOrAbort(upload: BlobUpload, job: ConversionJob, run: () => Promise<Pushed>): Promise<Pushed> {
  try {
    const pushed = await run();
    await explained('target', pushing(job), () => job.watches.push.during(() => upload.commit(pushed.digest)));
    return pushed;
  } catch (error) {
    // The registry drops an upload that nobody finishes; saying so early only saves it the space.
    await upload.abort().catch(() => undefined);
    throw error;
  }
}

/** Runs the three stages side by side. The first one that fails stops the others, and its error is the one thrown. */
async function run(
  layer: Descriptor,
  contents: LayerContents,
  upload: BlobUpload,
  folder: string,
  job: ConversionJob,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Pushed> {
  const [tar, blob, report] = [join(folder, 'layer.tar'), join(folder, 'blob'), join(folder, 'report.json')];
  await makeFifos([tar, blob], signal);
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const output = openFifoReader(blob, upload.chunkSize, stop);
  const { format, fsVersion, compressor, dictionary } = job;
  const args =
    format === 'Zran'
      ? indexArguments({ tar, blob, report })
      : createArguments({ tar, blob, report, fsVersion, compressor, dictionary: dictionary?.bootstrap });
  // No prefetch paths here: only those of the merged tree count, and without them equal layers give equal blobs.
  const build = job.watches.build.during(() => runNydusImage(job.nydusImage, args, [], stop)).finally(output.release);
  const fed = feed(layer, contents, tar, job, onBytes, stop).catch(async (error: unknown) => {
    // A broken pipe means that nydus-image ended too early; how it ended says why.
    await (isBrokenPipe(error) ? build : undefined);
    throw error;
  });
  const stages = [fed, build, push(output.pieces, upload, job)] as const;
  for (const stage of stages) {
    stage.catch((error: unknown) => failed.abort(error));
  }
  const [, , pushed] = await Promise.allSettled(stages);
  signal.throwIfAborted();
  if (failed.signal.aborted || pushed.status === 'rejected') {
    throw await causeOf(failed.signal.reason, layer, job, signal);
  }
  const { counters } = await readReport(report);
  const { dedup_chunks = 0, dedup_uncompressed_size = 0, blob_uncompressed_size = 0 } = counters;
  job.chunks.deduplicated += dedup_chunks;
  job.chunks.bytesDeduplicated += dedup_uncompressed_size;
  job.chunks.bytesNew += blob_uncompressed_size;
  job.log.debug(
    { layer: layer.digest, blob: pushed.value.digest, size: pushed.value.size, counters },
    'layer converted',
  );
  return pushed.value;
}

async function feed(
  layer: Descriptor,
  contents: LayerContents,
  tar: string,
  job: ConversionJob,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { registry, source, watches } = job;
  const stream = await watches.pull.during(() => registry.blob(source.reference, layer, callOptions(source, signal)));
  const chunks = read(stream, job, onBytes);
  const meter = layerMeter(layer.size, job.bounds);
  const streams =
    job.format === 'Zran'
      ? [await openIndexed(layer, chunks, (tarBytes) => inspectTar(tarBytes, contents, meter), job, signal)]
      : [
          ...(await openLayer(chunks)),
          Duplex.from((tarBytes: AsyncIterable<Buffer>) => rewriteTar(collected(tarBytes), contents, meter)),
        ];
  await pipeline([...streams, await openFifoWriter(tar, signal)], { signal });
}

async function* read(stream: Readable, job: ConversionJob, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  const chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  let bytes = 0;
  try {
    for (;;) {
      const next = await job.watches.pull.during(() => chunks.next());
      if (next.done === true) {
        return;
      }
      bytes += next.value.length;
      job.traffic.read += next.value.length;
      onBytes(bytes);
      yield next.value;
    }
  } finally {
    stream.destroy();
  }
}

/** Sends a piece while nydus-image goes on with the next one. */
async function push(pieces: AsyncIterable<Buffer>, upload: BlobUpload, job: ConversionJob): Promise<Pushed> {
  const hash = createHash('sha256');
  const tail = keepTail(TAIL);
  let size = 0;
  for await (const piece of pieces) {
    hash.update(piece);
    tail.push(piece);
    size += piece.length;
    await explained('target', pushing(job), () => job.watches.push.during(() => upload.write(piece)));
    job.traffic.pushed += piece.length;
  }
  return { digest: `sha256:${hash.digest('hex')}`, size, tail: tail.bytes() };
}

/**
 * What stopped a layer. Wrong bytes break the decompression or nydus-image before the end of the layer shows that its
 * digest was a lie, so then the source is read once more, to blame the right one.
 */
async function causeOf(error: unknown, layer: Descriptor, job: ConversionJob, signal: AbortSignal): Promise<unknown> {
  const what = `layer ${layer.digest} of ${formatReference(job.source.reference)}`;
  if (error instanceof RegistryError) {
    return explain(error, 'source', `read ${what}`);
  }
  const isOfLayer = error instanceof NydusImageError || error instanceof BadLayerError;
  const isFromTarget = error instanceof ConvertError && !isOfLayer;
  if (isFromTarget) {
    return error;
  }
  const isKilled = error instanceof NydusImageError && error.killed;
  await (isKilled ? undefined : readAgain(layer, what, job, signal));
  if (error instanceof ConvertError) {
    const { reason, permanent } = error;
    return new ConvertError(reason, `convert ${what}: ${error.message}`, { permanent, cause: error });
  }
  const why = error instanceof Error ? error.message : String(error);
  return new ConvertError('ConversionFailed', `decompress ${what}: ${why}`, { cause: error });
}

/** Reads a layer for its digest alone. */
async function readAgain(layer: Descriptor, what: string, job: ConversionJob, signal: AbortSignal): Promise<void> {
  const { registry, source, traffic } = job;
  await explained('source', `read ${what}`, async () => {
    const stream = await registry.blob(source.reference, layer, callOptions(source, signal));
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      traffic.read += chunk.length;
    }
  });
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

function pushing({ target }: ConversionJob): string {
  return `push a layer to ${formatReference(target.reference)}`;
}
