import type { Logger } from 'pino';
import type { Credentials } from '../registry/auth.ts';
import type { CallOptions, RegistryClient } from '../registry/client.ts';
import type { Reference } from '../registry/reference.ts';
import type { LayerBounds } from './bounds.ts';
import type { FsVersion } from './nydus.ts';
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
  target: Endpoint;
  /** Path of nydus-image. */
  nydusImage: string;
  builder: string;
  fsVersion: FsVersion;
  compressor: 'zstd' | 'lz4_block' | 'none';
  prefetchPaths: readonly string[];
  optionsHash: string;
  bounds: LayerBounds;
  /** Folder for what lives as long as one step. */
  workDir: string;
  /** Folder of the layers' trees, see tree.ts. */
  trees: string;
  watches: { pull: Stopwatch; build: Stopwatch; push: Stopwatch; total: Stopwatch };
  /** Bytes of blobs and manifests so far. */
  traffic: { read: number; pushed: number };
  log: Logger;
}

/** Options of a call to an endpoint's registry. */
export function callOptions({ credentials }: Endpoint, signal: AbortSignal): CallOptions & { signal: AbortSignal } {
  return { credentials, signal };
}
