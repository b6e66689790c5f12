import type { Dispatcher } from 'undici';
import type { Clock } from './clock.ts';
import { HttpError, exchange, retryAfterMs } from './http.ts';
import type { HttpAnswer } from './http.ts';
import type { Blob, Seed } from './provider.ts';

/**
 * What the seed may do to serve a byte:
 * - `prefetch`: get it from peers or the origin, and the whole blob after it.
 * - `fetch`: get it from peers or the origin: one piece.
 * - `local`: nothing but read its own store.
 */
export type ProbeMode = 'prefetch' | 'fetch' | 'local';

/** How a seed answered for one byte of a blob. */
export type ProbeResult =
  /** It has the piece now; `taskID` is what it files the blob under. */
  | { outcome: 'served'; taskID: string }
  /** It does not have the piece, and was not allowed to get it. */
  | { outcome: 'missing' }
  /** The origin does not give the blob to it. */
  | { outcome: 'originRejected'; message: string }
  /** It cannot now; trying again may help. */
  | { outcome: 'busy'; message: string; retryAfter: number | undefined }
  /** There was a connection, and no whole answer. */
  | { outcome: 'silent'; message: string }
  /** It has no room for the blob. */
  | { outcome: 'full'; message: string }
  /** It will not, however often it is asked. */
  | { outcome: 'refused'; message: string }
  /** There is no seed at that address. */
  | { outcome: 'unreachable'; message: string };

export interface ProbeRequest {
  seed: Seed;
  blob: Blob;
  /** Of the byte to read. */
  offset: number;
  mode: ProbeMode;
  /** Authorization header for the origin. dfdaemon logs it (1.5.10, at INFO), as it does that of every puller. */
  authorization?: string | undefined;
}

export interface ProbeOptions {
  dispatcher: Dispatcher;
  clock: Clock;
  signal: AbortSignal;
}

/**
 * An origin of which nothing can be had: dfdaemon has no backend for the scheme, and nothing can listen at the address. With
 * digest-based task ids the origin is no part of a task's id, so a seed asked for a blob of this origin serves what it has of
 * it, and fails for the rest without a byte or a request to any registry.
 */
const NO_ORIGIN = 'none://127.0.0.1:0';

const TIMEOUT_MS = { prefetch: 30_000, fetch: 30_000, local: 10_000 };
/** One byte is asked for; an answer longer than this is not from a Dragonfly proxy. */
const ANSWER_LIMIT = 4096;

/**
 * Asks a seed's proxy for one byte of a blob: as a registry mirror (`/v2/…` with X-Dragonfly-Registry), so that origins with
 * TLS need no interception, and the task's id is that of every puller where ids are digest-based
 * (`proxy.registryMirror.enableTaskIDBasedBlobDigest`, on in Dragonfly's chart).
 *
 * X-Dragonfly-Task-Download-Finished is not looked at: dfdaemon (1.5.10) sets it once any request for the task has ended well,
 * be it for a single byte.
 * @throws the signal's reason
 */
export async function probe(request: ProbeRequest, options: ProbeOptions): Promise<ProbeResult> {
  const { seed, blob, mode } = request;
  const origin = new URL(blob.url);
  const url = new URL(origin.pathname + origin.search, seed.url);
  try {
    const answer = await exchange(
      { method: 'GET', url, headers: headersFor(request, origin) },
      { ...options, timeoutMs: TIMEOUT_MS[mode], limit: ANSWER_LIMIT },
    );
    return interpret(answer, mode, options.clock.now());
  } catch (error) {
    if (!(error instanceof HttpError)) {
      throw error;
    }
    return error.connected
      ? { outcome: 'silent', message: error.message }
      : { outcome: 'unreachable', message: error.message };
  }
}

function headersFor({ offset, mode, authorization }: ProbeRequest, origin: URL): Record<string, string> {
  const common = {
    range: `bytes=${offset}-${offset}`,
    // Served by the daemon even where its rules do not name the path.
    'x-dragonfly-use-p2p': 'true',
    // Said in every case: without it a range request prefetches or not as the seed's configuration has it.
    'x-dragonfly-prefetch': String(mode === 'prefetch'),
  };
  if (mode === 'local') {
    return { ...common, 'x-dragonfly-registry': NO_ORIGIN, 'x-dragonfly-scheduling-policy': 'auto' };
  }
  return {
    ...common,
    'x-dragonfly-registry': origin.origin,
    // Through the scheduler, however little is asked for: another seed may have it, and others shall find it here.
    'x-dragonfly-scheduling-policy': 'always',
    ...(authorization === undefined ? {} : { authorization }),
  };
}

function interpret(answer: HttpAnswer, mode: ProbeMode, now: Date): ProbeResult {
  const { status } = answer;
  const failedIn = answer.header('x-dragonfly-error-type');
  if (failedIn === undefined) {
    const taskID = answer.header('x-dragonfly-task-id');
    return (status === 200 || status === 206) && answer.body.length === 1 && taskID !== undefined
      ? { outcome: 'served', taskID }
      : { outcome: 'refused', message: `answered ${status} and not as a Dragonfly proxy does` };
  }
  if (failedIn === 'proxy' && status === 429) {
    return { outcome: 'busy', message: 'limits its requests', retryAfter: retryAfterMs(answer, now) };
  }
  if (mode === 'local' && failedIn !== 'proxy') {
    return { outcome: 'missing' };
  }
  if (failedIn === 'backend') {
    const message = `the origin answered ${status}`;
    return status === 401 || status === 403 || status === 404
      ? { outcome: 'originRejected', message }
      : { outcome: 'busy', message, retryAfter: retryAfterMs(answer, now) };
  }
  if (status === 507) {
    return { outcome: 'full', message: `has no space left for the blob: ${DISK_REMEDY}` };
  }
  const message = `its ${failedIn} answered ${status}`;
  return status >= 500 ? { outcome: 'busy', message, retryAfter: undefined } : { outcome: 'refused', message };
}

/** The task id under which pullers find a blob: the hex of its digest. */
export function taskIDOf(blob: Blob): string {
  return blob.digest.slice(blob.digest.indexOf(':') + 1);
}

/** What to do about a task id that is not the blob's digest. */
export const TASK_ID_REMEDY =
  'set proxy.registryMirror.enableTaskIDBasedBlobDigest: true in dfdaemon.yaml of the seed peers and of the peers';

/** What to do about a seed that has no room. */
const DISK_REMEDY =
  'give it a larger disk, lower gc.policy.diskHighThresholdPercent in its dfdaemon.yaml, or warm less';

/**
 * Whether a Dragonfly proxy listens at a seed's address, found out by a request that it must refuse before it does anything:
 * pieces of one byte.
 * @throws HttpError, or the signal's reason
 */
export async function isDragonflyProxy(seed: Seed, options: ProbeOptions): Promise<boolean> {
  const answer = await exchange(
    {
      method: 'GET',
      url: new URL('/', seed.url),
      headers: { 'x-dragonfly-registry': NO_ORIGIN, 'x-dragonfly-use-p2p': 'true', 'x-dragonfly-piece-length': '1' },
    },
    { ...options, timeoutMs: TIMEOUT_MS.local, limit: ANSWER_LIMIT },
  );
  return answer.header('x-dragonfly-error-type') !== undefined;
}
