import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import { LAYER_BOUNDS, layerMeter, type LayerMeter } from '../converter/bounds.ts';
import { openLayer } from '../converter/decompress.ts';
import { ConvertError } from '../converter/errors.ts';
import { imageFacts } from '../converter/inspection.ts';
import { describeProgress, progressMeter, type Progress } from '../converter/progress.ts';
import { resolveSource, type SourceImage } from '../converter/source.ts';
import { scanTar } from '../converter/tar/scan.ts';
import { excesses } from '../inspection/budget.ts';
import type { LayerEntry } from '../inspection/entry.ts';
import { inspectImage, MAX_ENTRIES, TooManyFilesError, type Report } from '../inspection/report.ts';
import type { Credentials } from '../registry/auth.ts';
import { RegistryClient } from '../registry/client.ts';
import { RegistryError } from '../registry/errors.ts';
import type { Reference } from '../registry/reference.ts';
import type { Descriptor } from '../registry/schema.ts';
import type { Clock } from '../runtime/clock.ts';
import { readInspectFlags, type InspectFlags } from './inspect-options.ts';
import { renderInspection, renderInspectionJson } from './inspect-text.ts';
import { findOwnCredentials } from './warm-credentials.ts';
import { UsageError } from './warm-options.ts';
import type { ProgressSink } from './warm-progress.ts';

/** Layers that are read at the same time. */
const PARALLEL = 3;
/** Back to the start of the line, and erase it (ECMA-48 EL). */
const ERASE = '\r\u001B[K';

/** Arguments of the `inspect` command. */
export interface InspectCommand extends InspectFlags {
  readonly image: string;
  /** Path of the user's Docker configuration file; it need not exist. */
  readonly dockerConfig: string;
  /** Platform of an index that is inspected where none is named. */
  readonly ownPlatform: string;
  readonly userAgent: string;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly stdout: { write(text: string): unknown; readonly columns?: number | undefined };
  /** For progress and errors. */
  readonly stderr: ProgressSink;
}

/** Where an image is read from. */
interface From {
  readonly registry: RegistryClient;
  readonly reference: Reference;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
}

/**
 * Reads the layers of an image from its registry, each once and nothing of it to the disk, and says what is in them.
 * @returns the exit code: 0, or 1 where the image is beyond the budget that was given, 2 for arguments that make no sense
 * @throws Error saying what could not be read or is no image, and what to do
 */
export async function runInspectCommand(command: InspectCommand, signal: AbortSignal): Promise<number> {
  const { image, output, stdout, stderr } = command;
  try {
    const { reference, budget } = readInspectFlags(image, command);
    const credentials = await findOwnCredentials(reference, command.dockerConfig, signal);
    await using registry = clientFor(reference, command);
    const from = { registry: registry.client, reference, credentials, signal };
    const source = await findImage(from, command);
    const report = await read(source, from, command);
    const exceeded = excesses({ ...report, layers: report.layers.length }, budget);
    const inspected = { image, digest: source.descriptor.digest, platform: source.name, report, exceeded };
    stdout.write(output === 'json' ? renderInspectionJson(inspected) : renderInspection(inspected, stdout.columns));
    return exceeded.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error;
    }
    stderr.write(`slipstream: ${error.message}\n`);
    return 2;
  }
}

function clientFor(
  { registry: host }: Reference,
  { plainHttp, userAgent }: InspectCommand,
): { client: RegistryClient } & AsyncDisposable {
  const client = new RegistryClient({ registries: { [host]: { plainHTTP: plainHttp } }, userAgent });
  return { client, [Symbol.asyncDispose]: () => client.close() };
}

async function findImage(
  { reference, ...options }: From,
  { image, platform, ownPlatform, dockerConfig }: InspectCommand,
): Promise<SourceImage> {
  try {
    const [found] = (await resolveSource(reference, [platform ?? ownPlatform], options)).images;
    if (found === undefined) {
      throw new Error(`${image} holds no image`);
    }
    return found;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof RegistryError && cause.kind === 'Unauthorized') {
      throw new Error(`${cause.message}. They are taken from ${dockerConfig}: log in there, or set DOCKER_CONFIG`, {
        cause: error,
      });
    }
    if (error instanceof ConvertError && error.reason === 'PlatformMissing') {
      throw new Error(`${error.message}: name one by --platform`, { cause: error });
    }
    throw error;
  }
}

async function read(image: SourceImage, from: From, { stderr, clock }: InspectCommand): Promise<Report> {
  const { layers } = image.manifest;
  const distinct = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  const show = (progress: Progress): void => {
    if (stderr.isTTY === true) {
      stderr.write(`${ERASE}${describeProgress(progress, 'layers').slice(0, (stderr.columns ?? 80) - 1)}`);
    }
  };
  const progress = progressMeter(new Map(distinct.map(({ digest, size }) => [digest, size])), show, () =>
    clock.monotonic(),
  );
  const limit = pLimit(PARALLEL);
  const count = entryCounter();
  const stop = new AbortController();
  const signal = AbortSignal.any([from.signal, stop.signal]);
  const reading = distinct.map(
    async (layer) =>
      await limit(async () => {
        signal.throwIfAborted();
        const meter = count(layerMeter(layer.size, LAYER_BOUNDS));
        const onBytes = (bytes: number): void => progress.layer(layer.digest, bytes);
        const entries = await readLayer(layer, { ...from, signal }, meter, onBytes);
        progress.layerDone(layer.digest);
        return [layer.digest, entries] as const;
      }),
  );
  try {
    const entries = new Map(await Promise.all(reading));
    const inspection = inspectImage(imageFacts(image));
    for (const { digest } of layers) {
      inspection.layer(entries.get(digest) ?? []);
    }
    return inspection.report();
  } finally {
    stop.abort();
    await Promise.allSettled(reading);
    if (stderr.isTTY === true) {
      stderr.write(ERASE);
    }
  }
}

/** Reads one layer; ends well only if its digest is right. */
async function readLayer(
  layer: Descriptor,
  { registry, reference, credentials, signal }: From,
  meter: LayerMeter,
  onBytes: (bytes: number) => void,
): Promise<LayerEntry[]> {
  try {
    const stream = await registry.blob(reference, layer, { credentials, signal });
    const tar = new PassThrough();
    const scanned = scanTar(tar, meter).catch((error: unknown) => {
      tar.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    });
    const streams = [...(await openLayer(counted(stream as AsyncIterable<Buffer>, onBytes))), tar];
    const [entries] = await Promise.all([scanned, pipeline(streams, { signal })]);
    return entries;
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`layer ${layer.digest} cannot be inspected: ${why}`, { cause: error });
  }
}

/** Has the layers of an image share the bound on what is kept of all. */
function entryCounter(): (meter: LayerMeter) => LayerMeter {
  let entries = 0;
  return (meter) => ({
    ...meter,
    entry(content, stored) {
      entries += 1;
      if (entries > MAX_ENTRIES) {
        throw new TooManyFilesError();
      }
      meter.entry(content, stored);
    },
  });
}

async function* counted(chunks: AsyncIterable<Buffer>, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    onBytes(bytes);
    yield chunk;
  }
}
