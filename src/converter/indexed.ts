import { PassThrough, Readable, type Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { createInflateRaw } from 'node:zlib';
import { formatReference } from '../registry/reference.ts';
import type { Descriptor } from '../registry/schema.ts';
import { hasOrMounts } from './bring.ts';
import { peek } from './decompress.ts';
import { explained } from './errors.ts';
import { memberOf } from './gzip.ts';
import { callOptions, type ConversionJob } from './job.ts';
import { BadLayerError } from './tar/errors.ts';

/** What looks through the tar of a layer, to its end, while an index is made over what is stored of it. */
export type Inspect = (tar: AsyncIterable<Buffer>) => Promise<void>;

/**
 * The bytes of a layer as the registry stores them, for an index over them (Zran). Meanwhile the layer comes to the target's
 * repository, where its data is read from.
 * @param chunks end well only if the layer's digest is right.
 * @throws BadLayerError, here or from the stream, for a layer that no index can be over.
 */
export async function openIndexed(
  layer: Descriptor,
  chunks: AsyncIterable<Buffer>,
  inspect: Inspect,
  job: ConversionJob,
  signal: AbortSignal,
): Promise<Readable> {
  const { whole, compression } = await peek(keepOriginal(layer, chunks, job, signal));
  switch (compression) {
    case 'zstd':
      whole.destroy();
      throw new BadLayerError('it is compressed with zstd, and Zran can only index gzip. Convert the image to RafsV6');
    case 'gzip':
      return Readable.from(gzipInspected(whole, inspect), { objectMode: false });
    case 'none':
      return Readable.from(inspected(whole, new PassThrough(), inspect), { objectMode: false });
  }
}

/** Inflates beside nydus-image: nothing else tells what is in the tar, and where the gzip member ends. */
async function* gzipInspected(chunks: AsyncIterable<Buffer>, inspect: Inspect): AsyncGenerator<Buffer> {
  const member = memberOf(chunks);
  const inflate = createInflateRaw();
  const assertNothingFollows = (): void => {
    if (inflate.readableEnded && member.restLength() > inflate.bytesWritten + member.trailer) {
      throw new BadLayerError(
        'it has more than one gzip member, as eStargz has, and nydusd cannot read over the end of one. Convert the image to RafsV6',
      );
    }
  };
  yield* member.header();
  try {
    yield* inspected(member.rest(), inflate, inspect);
  } catch (error) {
    // A tar that ends too early may only go on in the next member.
    assertNothingFollows();
    throw error;
  }
  assertNothingFollows();
}

async function* inspected(chunks: AsyncIterable<Buffer>, tar: Duplex, inspect: Inspect): AsyncGenerator<Buffer> {
  const inspection = inspect(tar as AsyncIterable<Buffer>);
  // Awaited at the end, which does not come where the chunks fail.
  inspection.catch(() => undefined);
  const write = promisify((chunk: Buffer, done: (error?: Error | null) => void) => tar.write(chunk, done));
  try {
    for await (const chunk of chunks) {
      if (!tar.readableEnded) {
        // A stream that is broken fails the second alone.
        await Promise.race([write(chunk), inspection]);
      }
      yield chunk;
    }
    tar.end();
    await inspection;
  } finally {
    tar.destroy();
  }
}

/** Passes the bytes of a layer on, and leaves it in the target's repository on the way, unless that has it or can mount it. */
async function* keepOriginal(
  layer: Descriptor,
  chunks: AsyncIterable<Buffer>,
  job: ConversionJob,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { registry, source, target, traffic, watches } = job;
  const pushing = <T>(call: () => Promise<T>): Promise<T> =>
    explained('target', `push layer ${layer.digest} to ${formatReference(target.reference)}`, call);
  if (await pushing(() => hasOrMounts(layer, source.reference, job, signal))) {
    yield* chunks;
    return;
  }
  const upload = await pushing(() => registry.startUpload(target.reference, callOptions(target, signal)));
  let committed = false;
  try {
    for await (const chunk of chunks) {
      await pushing(() => watches.push.during(() => upload.write(chunk)));
      traffic.pushed += chunk.length;
      yield chunk;
    }
    await pushing(() => upload.commit(layer.digest));
    committed = true;
  } finally {
    await (committed ? undefined : upload.abort().catch(() => undefined));
  }
}
