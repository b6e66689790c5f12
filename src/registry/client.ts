import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import { digestOf, isDigest, mismatch } from './digest.ts';
import { RegistryError } from './errors.ts';
import { MANIFEST_LIMIT, manifestType, parseConfig, parseManifest } from './manifest.ts';
import { checkReference, formatReference } from './reference.ts';
import type { Reference, Repository } from './reference.ts';
import { blobRequest, manifestRequest, referrersRequest, scope } from './requests.ts';
import { checkRange, checkStored, contentLength, verifiedBody } from './responses.ts';
import type { Range } from './requests.ts';
import { isIndex } from './schema.ts';
import type { Descriptor, ImageConfig, Index, Manifest } from './schema.ts';
import { Session } from './session.ts';
import type { CallOptions } from './session.ts';
import { DEFAULT_TIMEOUTS, discard } from './transport.ts';
import type { RegistryOptions, Timeouts } from './transport.ts';
import { mountBlob, pushBlob, startUpload } from './upload.ts';
import type { BlobUpload } from './upload.ts';

export type { BlobUpload, CallOptions, Range, RegistryOptions };

const CONFIG_LIMIT = 4 * 1024 * 1024;
const RETRY_DELAY_MS = 250;

export interface RegistryClientOptions {
  /** By host as in references, such as `docker.io`. A registry that is not named is spoken to over HTTPS. */
  registries?: Readonly<Record<string, RegistryOptions>> | undefined;
  userAgent: string;
  log?: Logger | undefined;
  timeouts?: Partial<Timeouts> | undefined;
  /** Milliseconds before the first retry. */
  retryDelay?: number | undefined;
}

/** A manifest or an index, as it came. */
export interface Document {
  descriptor: Descriptor;
  body: Buffer;
  manifest: Manifest | Index;
}

/** A tag, and no digest with it: deleting by digest would delete what other tags point to. */
export interface TagReference extends Repository {
  tag: string;
  digest?: never;
}

/**
 * A client of the OCI Distribution Specification v1.1. One per process: it holds the connections and the tokens.
 * Every call throws RegistryError, InvalidReferenceError for a reference that breaks the grammar, and `signal.reason`
 * once its signal is aborted.
 */
export class RegistryClient {
  readonly #session: Session;

  constructor({ registries = {}, userAgent, log, timeouts, retryDelay = RETRY_DELAY_MS }: RegistryClientOptions) {
    this.#session = new Session({
      registries,
      userAgent,
      log,
      retryDelay,
      timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts },
    });
  }

  /**
   * What a tag points to now, or whether a digest is there. Asks with HEAD, which Docker Hub does not count as a pull, and
   * reads the whole document where the answer to that says too little.
   */
  async resolve(ref: Reference, call: CallOptions = {}): Promise<Descriptor> {
    const request = manifestRequest(this.#session, ref, 'HEAD');
    const answer = await this.#session.send({ ...request, expect: [200, 405, 501] }, call);
    const digest = answer.headers['docker-content-digest'];
    const mediaType = manifestType(answer.headers['content-type']);
    const size = contentLength(answer);
    if (answer.status !== 200 || typeof digest !== 'string' || !isDigest(digest) || !mediaType || size === undefined) {
      return (await this.manifest(ref, call)).descriptor;
    }
    if (ref.digest !== undefined && ref.digest !== digest) {
      throw mismatch(request.subject, `the registry offers ${digest} instead`);
    }
    return { mediaType, digest, size };
  }

  /** Reads a manifest or index of at most 4 MiB; its digest is what was asked for, or what the registry said of the tag. */
  async manifest(ref: Reference, call: CallOptions = {}): Promise<Document> {
    const request = manifestRequest(this.#session, ref, 'GET');
    const { headers, body } = await this.#session.send(request, call, MANIFEST_LIMIT);
    const digest = digestOf(body);
    for (const promised of [ref.digest, headers['docker-content-digest']]) {
      if (promised !== undefined && promised !== digest) {
        throw mismatch(request.subject, `its content has the digest ${digest}, not ${String(promised)}`);
      }
    }
    const { mediaType, manifest } = parseManifest(body, headers['content-type'], request.subject);
    return { descriptor: { mediaType, digest, size: body.length }, body, manifest };
  }

  /**
   * The manifests of a repository that name a digest as their subject, as far as they fit in one answer: as the registry lists
   * them, or, where it does not know of referrers, as pushers list them under the tag that stands in for that (OCI Distribution
   * Specification v1.1, "Listing Referrers" and "Referrers Tag Schema"). None is no error.
   */
  async referrers(ref: Repository, digest: string, call: CallOptions = {}): Promise<Descriptor[]> {
    const request = referrersRequest(this.#session, ref, digest);
    const { status, headers, body } = await this.#session.send(request, call, MANIFEST_LIMIT);
    if (status === 200) {
      const { manifest } = parseManifest(body, headers['content-type'], request.subject);
      return isIndex(manifest) ? manifest.manifests : [];
    }
    const { registry, repository } = ref;
    const tag = digest.replace(':', '-');
    const listed = await this.manifest({ registry, repository, tag }, call).catch((error: unknown) => {
      if (error instanceof RegistryError && error.kind === 'NotFound') {
        return undefined;
      }
      throw error;
    });
    return listed !== undefined && isIndex(listed.manifest) ? listed.manifest.manifests : [];
  }

  /** Reads the config of an image, of at most 4 MiB. */
  async imageConfig(ref: Repository, config: Pick<Descriptor, 'digest'>, call: CallOptions = {}): Promise<ImageConfig> {
    const request = blobRequest(this.#session, ref, config.digest, 'GET');
    const { body } = await this.#session.send(request, call, CONFIG_LIMIT);
    if (digestOf(body) !== config.digest) {
      throw mismatch(request.subject, `its content has the digest ${digestOf(body)}`);
    }
    return parseConfig(body, request.subject);
  }

  /** The size of a blob in bytes, or undefined if the repository does not have it. */
  async blobExists(ref: Repository, digest: string, call: CallOptions = {}): Promise<number | undefined> {
    const request = blobRequest(this.#session, ref, digest, 'HEAD');
    const answer = await this.#session.send({ ...request, expect: [200, 404] }, call);
    if (answer.status === 404) {
      return undefined;
    }
    const size = contentLength(answer);
    if (size === undefined) {
      throw new RegistryError(
        'Unsupported',
        `${request.subject}: ${answer.url.host} does not say how big it is (Content-Length)`,
      );
    }
    return size;
  }

  /**
   * Reads a blob, or a range of it. The stream ends well only if all of it came and the digest of a whole blob is right
   * (and so nobody may act on its bytes before); it must be read to its end or destroyed. A registry that answers a range with the whole blob
   * is not read from: Unsupported.
   */
  async blob(
    ref: Repository,
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    call: CallOptions & { range?: Range | undefined } = {},
  ): Promise<Readable> {
    const { range } = call;
    const response = await this.#session.stream(blobRequest(this.#session, ref, descriptor.digest, 'GET', range), call);
    if (range !== undefined) {
      checkRange(response, range);
      return verifiedBody(response, { size: range.length });
    }
    const announced = contentLength(response) ?? descriptor.size;
    if (announced !== descriptor.size) {
      discard(response);
      throw mismatch(
        response.request.subject,
        `the registry announces ${announced} bytes instead of ${descriptor.size}`,
      );
    }
    return verifiedBody(response, descriptor);
  }

  /**
   * Makes a blob of another repository of the same registry available in this one, without sending it.
   * @returns false if the registry would not, and the blob must be sent. It need not say why; that these credentials may
   * not read from there is one reason.
   */
  async mount(ref: Repository, digest: string, from: string, call: CallOptions = {}): Promise<boolean> {
    return await mountBlob(this.#session, ref, digest, from, call);
  }

  /** Sends a blob in one piece. */
  async pushBlob(ref: Repository, body: Buffer, call: CallOptions = {}): Promise<{ digest: string; size: number }> {
    return await pushBlob(this.#session, ref, body, call);
  }

  /** Opens an upload for a blob that is sent piece by piece, whose digest is known at the end. */
  async startUpload(ref: Repository, call: CallOptions = {}): Promise<BlobUpload> {
    return await startUpload(this.#session, ref, call);
  }

  /**
   * Sends a manifest or an index: under its tag if the reference has one, else under its digest alone.
   * @returns the digest of what was sent. DigestMismatch if the reference names another.
   */
  async pushManifest(ref: Reference, body: Buffer, mediaType: string, call: CallOptions = {}): Promise<string> {
    checkReference(ref);
    const digest = digestOf(body);
    const subject = `push of ${formatReference(ref)}`;
    if (ref.digest !== undefined && ref.digest !== digest) {
      throw mismatch(subject, `the content to push has the digest ${digest}`);
    }
    if (body.length > MANIFEST_LIMIT) {
      throw new RegistryError('TooLarge', `${subject}: ${body.length} bytes, and registries take ${MANIFEST_LIMIT}`);
    }
    const answer = await this.#session.send(
      {
        method: 'PUT',
        url: this.#session.url(ref.registry, `${ref.repository}/manifests/${ref.tag ?? digest}`),
        registry: ref.registry,
        subject,
        scopes: [scope(ref.repository, 'pull,push')],
        headers: { 'content-type': mediaType },
        body,
        expect: [201],
        idempotent: true,
      },
      call,
    );
    checkStored(answer, digest);
    return digest;
  }

  /** Deletes a tag, and leaves what it points to. NotFound if it is gone; Unsupported if the registry deletes no tags. */
  async deleteTag(ref: TagReference, call: CallOptions = {}): Promise<void> {
    checkReference(ref);
    const subject = `deletion of the tag ${formatReference(ref)}`;
    if (ref.digest !== undefined) {
      throw new RegistryError(
        'Invalid',
        `${subject}: by digest, every other tag of the image would go, too. Name the tag alone`,
      );
    }
    const request = {
      method: 'DELETE',
      url: this.#session.url(ref.registry, `${ref.repository}/manifests/${ref.tag}`),
      registry: ref.registry,
      subject,
      scopes: [scope(ref.repository, 'delete,pull,push')],
      expect: [200, 202, 204],
      idempotent: true,
    } as const;
    try {
      await this.#session.send(request, call);
    } catch (error) {
      // OCI Distribution, "Deleting tags": 400 or 405 where it is disabled. A 404 without a code is of a route, not of a tag.
      const { status, code } = error instanceof RegistryError ? error : {};
      if (status === 400 || (status === 404 && code === undefined)) {
        throw new RegistryError(
          'Unsupported',
          `${subject}: the registry does not delete tags (${status}). Delete it by the registry's own means`,
          { status, code },
        );
      }
      throw error;
    }
  }

  /**
   * A short-lived Authorization with which someone else may pull from a repository, or undefined where the registry takes
   * requests without, or wants user name and password, which are never handed on.
   */
  async pullAuthorization(ref: Repository, call: CallOptions = {}): Promise<string | undefined> {
    checkReference(ref);
    const { registry } = ref;
    const scopes = [scope(ref.repository, 'pull')];
    const subject = `authorization to pull from ${registry}/${ref.repository}`;
    const url = this.#session.url(registry, '');
    await this.#session.send({ method: 'GET', url, registry, subject, scopes, expect: [200], idempotent: true }, call);
    const authorization = await this.#session.authorization({ registry, scopes, credentials: call.credentials });
    return authorization?.startsWith('Bearer ') === true ? authorization : undefined;
  }

  /** Closes all connections; what is under way fails. */
  async close(): Promise<void> {
    await this.#session.close();
  }
}
