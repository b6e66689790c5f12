import { digestOf } from './digest.ts';
import { isTransient, RegistryError } from './errors.ts';
import { checkReference } from './reference.ts';
import type { Repository } from './reference.ts';
import { blobRequest, scope } from './requests.ts';
import { checkStored, contentLength } from './responses.ts';
import type { Answer, ApiRequest, CallOptions, Session } from './session.ts';
import { resolveLocation } from './transport.ts';

/** Bytes gathered for one PATCH, unless the registry wants more. */
const CHUNK_SIZE = 8 * 1024 * 1024;
/** Most that a registry may want: chunks are held in memory. */
const CHUNK_SIZE_MAX = 128 * 1024 * 1024;
/** Breaks of one chunk that an upload gets over: enough for a registry that starts again. */
const RESUMES = 6;
/** Times that the end of an upload is asked for again. */
const COMMIT_RETRIES = 2;
const CANCEL_MS = 5_000;
const CANCEL_TRIES = 4;
/** Answers to the end of an upload: it is gone, was gone, or is not where its Location says. */
const CANCELLED = [200, 202, 204, 404, 416];
/** How fast a registry is expected to put a finished blob in its place, in bytes per millisecond: some copy it. */
const COMMIT_RATE = 10_000;

/** A blob on its way to a registry, piece by piece. Calls must not overlap. */
export interface BlobUpload {
  /** Bytes that are sent at a time, but at the end. */
  readonly chunkSize: number;
  /**
   * Takes bytes, and sends them when there are enough. They must not be changed afterwards, unless they are {@link chunkSize}
   * or more: those are sent when this is done.
   */
  write(chunk: Buffer): Promise<void>;
  /** Sends the rest, and has the registry check the digest and keep the blob. DigestMismatch if it is another. */
  commit(digest: string): Promise<void>;
  /** Gives up what was sent, as far as the registry lets it. Never throws, and works after the call was aborted. */
  abort(): Promise<void>;
}

/** Sends a blob in one piece: POST, then PUT. Done again from the start after a failure. */
export async function pushBlob(
  session: Session,
  ref: Repository,
  body: Buffer,
  call: CallOptions,
): Promise<{ digest: string; size: number }> {
  const digest = digestOf(body);
  const subject = `push of blob ${digest} to ${ref.registry}/${ref.repository}`;
  await session.retrying(subject, true, call, async (signal) => {
    const location = resolveLocation(
      await open(session, ref, openRequest(session, ref, subject, false), { ...call, signal }),
    );
    try {
      const request = uploadRequest(ref, 'PUT', withDigest(location, digest), subject, [201]);
      checkStored(await session.send({ ...request, body }, { ...call, signal }), digest);
    } catch (error) {
      await cancel(session, ref, location, call);
      throw error;
    }
  });
  return { digest, size: body.length };
}

/** Opens an upload of a blob in chunks (OCI Distribution Specification, "Pushing a blob in chunks"). */
export async function startUpload(session: Session, ref: Repository, call: CallOptions): Promise<BlobUpload> {
  const subject = `push of a blob to ${ref.registry}/${ref.repository}`;
  const opened = await open(session, ref, openRequest(session, ref, subject, true), call);
  const wanted = Number(opened.headers['oci-chunk-min-length'] ?? 0);
  if (wanted > CHUNK_SIZE_MAX) {
    await cancel(session, ref, resolveLocation(opened), call);
    throw new RegistryError(
      'Unsupported',
      `${subject}: ${opened.url.host} wants chunks of ${wanted} bytes, which is too much to hold`,
    );
  }
  return new ChunkedUpload(session, ref, opened, call, Math.max(wanted || 0, CHUNK_SIZE));
}

/**
 * Mounts a blob of another repository of the same registry.
 * @returns false if the registry would not, or these credentials may not read from there: then the blob must be sent.
 */
export async function mountBlob(
  session: Session,
  ref: Repository,
  digest: string,
  from: string,
  call: CallOptions,
): Promise<boolean> {
  checkReference({ ...ref, digest });
  checkReference({ ...ref, repository: from });
  const subject = `mount of blob ${digest} from ${from} into ${ref.registry}/${ref.repository}`;
  const request = openRequest(session, ref, subject, true);
  request.url.search = new URLSearchParams({ mount: digest, from }).toString();
  const scopes = [...request.scopes, scope(from, 'pull')];
  try {
    const answer = await open(session, ref, { ...request, scopes, expect: [201, 202] }, call);
    if (answer.status === 202) {
      await cancel(session, ref, resolveLocation(answer), call);
    }
    return answer.status === 201;
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'Unauthorized') {
      return false;
    }
    throw error;
  }
}

class ChunkedUpload implements BlobUpload {
  readonly #session: Session;
  readonly #ref: Repository;
  readonly #call: CallOptions;
  readonly #subject: string;
  readonly chunkSize: number;
  /** Where the next request of this upload goes: every answer names a new one. */
  #location: URL;
  #sent = 0;
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;

  constructor(session: Session, ref: Repository, opened: Answer, call: CallOptions, chunkSize: number) {
    this.#session = session;
    this.#ref = ref;
    this.#call = call;
    this.#subject = opened.request.subject;
    this.chunkSize = chunkSize;
    this.#location = resolveLocation(opened);
  }

  async write(chunk: Buffer): Promise<void> {
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.length;
    if (this.#gatheredBytes >= this.chunkSize) {
      await this.#flush();
    }
  }

  async commit(digest: string): Promise<void> {
    await this.#flush();
    const request = this.#request('PUT', withDigest(this.#location, digest), [201]);
    const extraTime = this.#sent / COMMIT_RATE;
    for (let breaks = 0; ; breaks += 1) {
      try {
        checkStored(await this.#session.send({ ...request, extraTime }, this.#call), digest);
        return;
      } catch (error) {
        const isWorthAnother = isTransient(error) && breaks < COMMIT_RETRIES;
        if (breaks === 0 && !isWorthAnother) {
          throw error;
        }
        await this.#session.pause(breaks, this.#call);
        // What was asked for may have been done, and the answer lost: then the upload is no longer known.
        if (await this.#isStored(digest)) {
          return;
        }
        if (!isWorthAnother) {
          throw error;
        }
      }
    }
  }

  async abort(): Promise<void> {
    this.#gathered = [];
    await cancel(this.#session, this.#ref, this.#location, this.#call);
  }

  async #flush(): Promise<void> {
    const [first = Buffer.of(), ...more] = this.#gathered;
    const chunk = more.length === 0 ? first : Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    const start = this.#sent;
    const end = start + chunk.length;
    for (let breaks = 0, unsure = false; this.#sent < end;) {
      try {
        if (unsure) {
          this.#sent = await this.#askProgress(start, end);
          unsure = false;
        } else {
          await this.#patch(chunk.subarray(this.#sent - start));
        }
      } catch (error) {
        if (!isResumable(error) || breaks === RESUMES) {
          throw error;
        }
        await this.#session.pause(breaks, this.#call);
        breaks += 1;
        unsure = true;
      }
    }
  }

  async #patch(body: Buffer): Promise<void> {
    const range = `${this.#sent}-${this.#sent + body.length - 1}`;
    const headers = { 'content-type': 'application/octet-stream', 'content-range': range };
    const request = this.#request('PATCH', this.#location, [202]);
    const answer = await this.#session.send({ ...request, headers, body }, this.#call);
    this.#location = resolveLocation(answer);
    this.#sent += body.length;
  }

  /** How many bytes the registry has of this upload, after a chunk of which nobody knows how much arrived. */
  async #askProgress(start: number, end: number): Promise<number> {
    const request = this.#request('GET', this.#location, [200, 204]);
    const answer = await this.#session.send({ ...request, idempotent: true }, this.#call);
    const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(String(answer.headers.range))?.[1] ?? Number.NaN);
    // Nothing and one byte are both written 0-0; one byte of a chunk is hardly ever what arrives.
    const have = last === 0 && start === 0 ? 0 : last + 1;
    if (!(have >= start && have <= end)) {
      throw new RegistryError(
        'Invalid',
        `${this.#subject}: the registry lost track of the upload. Push the blob again`,
      );
    }
    this.#location = resolveLocation(answer);
    return have;
  }

  async #isStored(digest: string): Promise<boolean> {
    const request = blobRequest(this.#session, this.#ref, digest, 'HEAD');
    const answer = await this.#session.send({ ...request, expect: [200, 404] }, this.#call);
    return answer.status === 200 && contentLength(answer) === this.#sent;
  }

  #request(method: 'GET' | 'PUT' | 'PATCH', url: URL, expect: readonly number[]): ApiRequest {
    return uploadRequest(this.#ref, method, url, this.#subject, expect);
  }
}

/**
 * Sends a request that may open an upload. After an abort its answer is awaited for a moment: it says what is to be cancelled,
 * and without it the upload would stay open.
 */
async function open(session: Session, ref: Repository, request: ApiRequest, call: CallOptions): Promise<Answer> {
  const { signal } = call;
  signal?.throwIfAborted();
  const late = new AbortController();
  const answered = new AbortController();
  const giveUp = (): void => void setTimeout(() => late.abort(signal?.reason), CANCEL_MS).unref();
  signal?.addEventListener('abort', giveUp, { once: true, signal: answered.signal });
  try {
    const answer = await session.send(request, { ...call, signal: late.signal });
    if (signal?.aborted === true && answer.status === 202) {
      await cancel(session, ref, resolveLocation(answer), call);
    }
    signal?.throwIfAborted();
    return answer;
  } finally {
    answered.abort();
  }
}

/** Closes an upload that nobody goes on with. What cannot be cancelled is left for the registry to clear away. */
async function cancel(session: Session, ref: Repository, url: URL, { credentials }: CallOptions): Promise<void> {
  // Not the caller's signal: an aborted call has something to cancel, too.
  const call = { credentials, signal: AbortSignal.timeout(CANCEL_MS) };
  await tryCancel(session, ref, url, call).catch((error: unknown) => {
    session.log?.debug({ err: error }, 'upload not cancelled');
  });
}

async function tryCancel(session: Session, ref: Repository, url: URL, call: CallOptions): Promise<void> {
  const subject = `upload to ${ref.registry}/${ref.repository}`;
  let location = url;
  for (let tries = 1; ; tries += 1) {
    const answer = await session.send(uploadRequest(ref, 'DELETE', location, subject, CANCELLED), call);
    if (answer.status !== 416 || tries === CANCEL_TRIES) {
      return;
    }
    // A chunk that broke off went on a little, and distribution takes only a Location that knows how far.
    await session.pause(tries, call);
    location = resolveLocation(await session.send(uploadRequest(ref, 'GET', location, subject, [200, 204]), call));
  }
}

function openRequest(session: Session, ref: Repository, subject: string, idempotent: boolean): ApiRequest {
  checkReference(ref);
  const url = session.url(ref.registry, `${ref.repository}/blobs/uploads/`);
  return { ...uploadRequest(ref, 'POST', url, subject, [202]), idempotent };
}

function uploadRequest(
  ref: Repository,
  method: ApiRequest['method'],
  url: URL,
  subject: string,
  expect: readonly number[],
): ApiRequest {
  const scopes = [scope(ref.repository, method === 'DELETE' ? 'delete,pull,push' : 'pull,push')];
  return { method, url, registry: ref.registry, subject, scopes, expect, idempotent: false };
}

/** The query of a Location is the registry's own, and may be signed: nothing in it is encoded anew. */
function withDigest(location: URL, digest: string): URL {
  const url = new URL(location);
  url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`;
  return url;
}

function isResumable(error: unknown): boolean {
  return isTransient(error) || (error instanceof RegistryError && error.status === 416);
}
