import type { Logger } from 'pino';
import type { Credentials } from '../registry/auth.ts';
import type { CallOptions, RegistryClient } from '../registry/client.ts';
import type { Reference } from '../registry/reference.ts';
import type { Dictionary } from './dictionary.ts';
import type { Provenance } from './manifest.ts';
import type { LayerBounds } from './bounds.ts';
import type { FsVersion } from './nydus.ts';
import type { Format } from './options.ts';
import type { Stopwatch } from './stopwatch.ts';

/** An image's place and the credentials for it. */
export interface Endpoint {
  reference: Reference;
  credentials: Credentials | undefined;
}

/** Everything that the steps of one conversion share. */
export interface ConversionJob {
  registry: RegistryClient;
  source: Endpoint;
  /** The source as it was asked for. */
  sourceReference: string;
  target: Endpoint;
  /** Path of nydus-image. */
  nydusImage: string;
  builder: string;
  format: Format;
  fsVersion: FsVersion;
  compressor: 'zstd' | 'lz4_block' | 'none';
  prefetchPaths: readonly string[];
  /** Image whose chunks are not stored again. */
  dictionary?: Dictionary | undefined;
  optionsHash: string;
  /** What shapes a layer: other options than these leave its blob as it is. */
  layerOptions: string;
  bounds: LayerBounds;
  /** Folder for what lives as long as one step. */
  workDir: string;
  /** Folder of the layers' trees, see tree.ts. */
  trees: string;
  watches: { pull: Stopwatch; build: Stopwatch; push: Stopwatch; total: Stopwatch };
  /** Bytes of blobs and manifests so far. */
  traffic: { read: number; pushed: number };
  /** What nydus-image found to be there already, and what was new, in chunks and bytes before compression. */
  chunks: { deduplicated: number; bytesDeduplicated: number; bytesNew: number };
  log: Logger;
}

/** Options of a call to an endpoint's registry. */
export function callOptions({ credentials }: Endpoint, signal: AbortSignal): CallOptions & { signal: AbortSignal } {
  return { credentials, signal };
}

/** What the artifacts of a conversion say of their making. */
export function provenanceOf(job: ConversionJob): Provenance {
  const { sourceReference, fsVersion, builder, optionsHash, layerOptions, dictionary } = job;
  return { sourceReference, fsVersion, builder, optionsHash, layerOptions, dictionary: dictionary?.digest };
}
