import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { ConvertError } from './errors.ts';
import type { FsVersion } from './nydus.ts';

/** Bytes of nydus-image's output that are kept for a message. */
const OUTPUT_KEPT = 8 * 1024;
const LINES_SHOWN = 8;
const CHARACTERS_SHOWN = 1000;

/** What stands in for a version where the build knew none. */
const UNKNOWN_VERSION = 'unknown';
const VERSION_TIMEOUT_MS = 10_000;
const VERSION_MAX_BYTES = 64 * 1024;

/** How one layer becomes a RAFS blob. Paths may be named pipes. */
export interface CreateOptions {
  /** Plain tar to read. */
  tar: string;
  /** RAFS blob to write. */
  blob: string;
  /** File for the report. */
  report: string;
  fsVersion: FsVersion;
  compressor: 'zstd' | 'lz4_block' | 'none';
  /** Tree whose chunks are referred to instead of being written again. */
  dictionary?: string | undefined;
}

/** How one layer gets an index that its data stays outside of. Paths may be named pipes. */
export type IndexOptions = Pick<CreateOptions, 'tar' | 'blob' | 'report'>;

/** How the trees of the layers become the one of the image. */
export interface MergeOptions {
  /** Trees from the lowest layer up. Each file must be named by the hex digest of its RAFS blob. */
  bootstraps: string[];
  /** Tree to write. */
  bootstrap: string;
  report: string;
  /** Tree that the layers were made with, if they were made with one. */
  dictionary?: string | undefined;
  /** For an index (Zran), what is to be known of each layer's blob, in the order of the trees. */
  indexes?: readonly IndexBlob[] | undefined;
}

/** The blob of an index over a layer. */
export interface IndexBlob {
  digest: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of its table of contents in hex. */
  toc: string;
}

/** Arguments of `nydus-image create`, as nydus-snapshotter's converter passes them (pkg/converter/tool/builder.go). */
export function createArguments({ tar, blob, report, fsVersion, compressor, dictionary }: CreateOptions): string[] {
  return [
    'create',
    '--log-level',
    'warn',
    '--prefetch-policy',
    'fs',
    '--blob',
    blob,
    '--whiteout-spec',
    'none',
    '--fs-version',
    fsVersion,
    '--type',
    'tar-rafs',
    '--blob-inline-meta',
    ...(fsVersion === '6' ? ['--features', 'blob-toc'] : []),
    '--compressor',
    compressor,
    ...dictionaryArguments(dictionary),
    '--output-json',
    report,
    tar,
  ];
}

/** Arguments of `nydus-image create` for an index over a layer, compressed with gzip or not at all, likewise. */
export function indexArguments({ tar, blob, report }: IndexOptions): string[] {
  return [
    'create',
    '--log-level',
    'warn',
    '--type',
    'targz-ref',
    '--blob-inline-meta',
    '--features',
    'blob-toc',
    '--blob',
    blob,
    '--whiteout-spec',
    'none',
    '--output-json',
    report,
    tar,
  ];
}

/** Arguments of `nydus-image merge`, likewise. */
export function mergeArguments({ bootstraps, bootstrap, report, dictionary, indexes = [] }: MergeOptions): string[] {
  return [
    'merge',
    '--log-level',
    'warn',
    '--prefetch-policy',
    'fs',
    '--output-json',
    report,
    '--bootstrap',
    bootstrap,
    ...dictionaryArguments(dictionary),
    ...bootstraps,
    ...listArgument(
      '--blob-digests',
      indexes.map(({ digest }) => digest.replace('sha256:', '')),
    ),
    ...listArgument(
      '--blob-toc-digests',
      indexes.map(({ toc }) => toc),
    ),
    ...listArgument(
      '--blob-sizes',
      indexes.map(({ size }) => String(size)),
    ),
  ];
}

function listArgument(name: string, values: readonly string[]): string[] {
  return values.length === 0 ? [] : [name, values.join(',')];
}

function dictionaryArguments(dictionary: string | undefined): string[] {
  return dictionary === undefined ? [] : ['--chunk-dict', `bootstrap=${dictionary}`];
}

/** nydus-image ran and failed. Worth another attempt: what it lacked may be there then. */
export class NydusImageError extends ConvertError {
  override name = 'NydusImageError';
  /** Whether it was killed, so that its input is not to blame. */
  readonly killed: boolean;

  constructor(message: string, killed: boolean) {
    super('ConversionFailed', message, { permanent: false });
    this.killed = killed;
  }
}

/**
 * Runs nydus-image to its end.
 * @param prefetch absolute paths for the tree's prefetch table. Given on standard input, one a line: with none of them
 *   nothing is prefetched, where the converters upstream say "/" and have nydusd fetch the whole image.
 * @throws NydusImageError with the last lines that it printed, or ConvertError where it cannot be run.
 */
export async function runNydusImage(
  path: string,
  args: string[],
  prefetch: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(path, args, { stdio: 'pipe', signal, killSignal: 'SIGKILL' });
  const output = keepOutput(child.stdout, child.stderr);
  // It may end before it has read its input; then its exit tells more than the broken pipe.
  child.stdin.on('error', () => undefined);
  child.stdin.end(prefetch.join('\n'));
  const [code, killedBy] = await ended(child).catch((error: unknown) => {
    signal.throwIfAborted();
    throw cannotRun(path, error);
  });
  signal.throwIfAborted();
  if (code !== 0) {
    const how = killedBy === null ? `exited with ${code}` : `was killed by ${killedBy}`;
    throw new NydusImageError(`nydus-image ${args[0]} ${how}: ${lastLines(output())}`, killedBy !== null);
  }
}

const Report = z.object({
  version: z.string(),
  blobs: z.array(z.string()),
  trace: z
    .object({
      registered_events: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
});

/** What nydus-image says of its own work. */
export interface BuildReport {
  version: string;
  /** Hex digests in the tree's blob table. Blobs without a chunk are not in it. */
  blobs: string[];
  /** Counters such as `dedup_chunks` and `dedup_uncompressed_size`. */
  counters: Record<string, number>;
}

/** Reads the file that `--output-json` named. */
export async function readReport(path: string): Promise<BuildReport> {
  const { version, blobs, trace } = Report.parse(JSON.parse(await readFile(path, 'utf8')));
  const events = Object.entries(trace?.registered_events ?? {});
  const counters = events.flatMap(([name, value]) => (typeof value === 'number' ? [[name, value] as const] : []));
  return { version, blobs, counters: Object.fromEntries(counters) };
}

/**
 * Identity of nydus-image: the version that it says it has, such as `v2.2.0`. One that was built outside of its repository
 * knows none, and is told from others by the digest of its file.
 */
export async function builderVersion(path: string, signal: AbortSignal): Promise<string> {
  const options = { signal, timeout: VERSION_TIMEOUT_MS, maxBuffer: VERSION_MAX_BYTES };
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], options);
    const version = parseVersion(stdout);
    return version === UNKNOWN_VERSION && isAbsolute(path) ? `nydus-image@${await digestOfFile(path)}` : version;
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof ConvertError ? error : cannotRun(path, error);
  }
}

/** The version in what `nydus-image --version` prints. */
export function parseVersion(text: string): string {
  const version = /^\s*Version:\s*(\S+)/m.exec(text)?.[1] ?? /^nydus-image\s+(\S+)/m.exec(text)?.[1];
  if (version === undefined) {
    throw new ConvertError('ConversionFailed', `nydus-image --version printed no version: ${lastLines(text)}`);
  }
  return version;
}

/** The major version of a version such as `v2.2.0`, or undefined where it tells none. */
export function majorOf(version: string): number | undefined {
  const major = /^v?(\d+)\./.exec(version)?.[1];
  return major === undefined ? undefined : Number(major);
}

async function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return [code, killedBy];
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest('hex').slice(0, 12)}`;
}

function cannotRun(path: string, error: unknown): ConvertError {
  const why = error instanceof Error ? error.message : String(error);
  return new ConvertError('ConversionFailed', `cannot run nydus-image at ${path}: ${why}`, { permanent: false });
}

function keepOutput(...streams: NodeJS.ReadableStream[]): () => string {
  let tail = '';
  for (const stream of streams) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      tail = (tail + text).slice(-OUTPUT_KEPT);
    });
  }
  return () => tail;
}

function lastLines(text: string): string {
  const printable = text.replace(/[^\P{C}\n]+/gu, ' ');
  const lines = printable.split('\n').flatMap((line) => line.trim() || []);
  return lines.slice(-LINES_SHOWN).join('; ').slice(-CHARACTERS_SHOWN) || 'it printed nothing';
}
