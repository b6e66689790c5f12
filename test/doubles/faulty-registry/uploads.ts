import { randomUUID } from 'node:crypto';
import type { Content } from './content.ts';
import { sha256 } from './content.ts';
import { errorReply } from './http.ts';
import type { RecordedRequest, Reply } from './http.ts';

export interface UploadOptions {
  /** How a Location is written: in full, from the root, or relative to the request's own path. */
  location?: 'absolute' | 'rooted' | 'relative';
  /** Announced as OCI-Chunk-Min-Length, and enforced for all chunks but the last. */
  minChunkLength?: number;
}

interface Upload {
  repository: string;
  chunks: Buffer[];
}

/** Blob uploads: POST, PATCH, PUT, GET and DELETE below `/v2/<name>/blobs/uploads/`. */
export class Uploads {
  readonly #open = new Map<string, Upload>();
  readonly #content: Content;
  readonly #options: UploadOptions;

  constructor(content: Content, options: UploadOptions) {
    this.#content = content;
    this.#options = options;
  }

  /** Uploads that were neither committed nor cancelled. */
  get size(): number {
    return this.#open.size;
  }

  start(origin: string, repository: string, request: RecordedRequest): Reply {
    const query = new URLSearchParams(request.query);
    const [mount, from] = [query.get('mount'), query.get('from')];
    const mounted = mount === null || from === null ? undefined : this.#content.blob(from, mount);
    if (mounted !== undefined) {
      const digest = this.#content.addBlob(repository, mounted);
      return {
        status: 201,
        headers: { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest },
      };
    }
    const id = randomUUID();
    const upload = { repository, chunks: [] };
    this.#open.set(id, upload);
    return { status: 202, headers: this.#headers(origin, id, upload) };
  }

  continue(origin: string, id: string, request: RecordedRequest): Reply {
    const upload = this.#open.get(id);
    if (upload === undefined) {
      return errorReply(404, 'BLOB_UPLOAD_UNKNOWN');
    }
    if (request.method === 'GET') {
      return { status: 204, headers: this.#headers(origin, id, upload) };
    }
    if (request.method === 'DELETE') {
      this.#open.delete(id);
      return { status: 204 };
    }
    if (!request.query.startsWith(`?${stateOf(upload)}`)) {
      return errorReply(400, 'BLOB_UPLOAD_INVALID', 'this is not the newest Location of the upload');
    }
    return request.method === 'PATCH' ? this.#patch(origin, id, upload, request) : this.#commit(id, upload, request);
  }

  /** Takes a part of a chunk, as a registry does whose client is cut off. */
  takePart(id: string, part: Buffer): void {
    this.#open.get(id)?.chunks.push(part);
  }

  #patch(origin: string, id: string, upload: Upload, { headers, body }: RecordedRequest): Reply {
    const start = sizeOf(upload);
    const tooShort = upload.chunks.at(-1)?.length ?? Infinity;
    if (
      headers['content-range'] !== `${start}-${start + body.length - 1}` ||
      tooShort < (this.#options.minChunkLength ?? 0)
    ) {
      return errorReply(416, 'BLOB_UPLOAD_INVALID', 'chunk out of order, or the one before it was too short');
    }
    upload.chunks.push(body);
    return { status: 202, headers: this.#headers(origin, id, upload) };
  }

  #commit(id: string, upload: Upload, request: RecordedRequest): Reply {
    const body = Buffer.concat([...upload.chunks, request.body]);
    if (new URLSearchParams(request.query).get('digest') !== sha256(body)) {
      return errorReply(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
    }
    this.#open.delete(id);
    const digest = this.#content.addBlob(upload.repository, body);
    return {
      status: 201,
      headers: { location: `/v2/${upload.repository}/blobs/${digest}`, 'docker-content-digest': digest },
    };
  }

  #headers(origin: string, id: string, upload: Upload): Record<string, string> {
    const { location = 'absolute', minChunkLength } = this.#options;
    const path = `/v2/${upload.repository}/blobs/uploads/`;
    const prefix = { absolute: `${origin}${path}`, rooted: path, relative: '' }[location];
    return {
      location: `${prefix}${id}?${stateOf(upload)}`,
      range: `0-${Math.max(sizeOf(upload) - 1, 0)}`,
      ...(minChunkLength === undefined ? {} : { 'oci-chunk-min-length': String(minChunkLength) }),
    };
  }
}

function sizeOf(upload: Upload): number {
  return upload.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** Changes with every chunk, and breaks if anyone encodes it anew. */
function stateOf(upload: Upload): string {
  return `_state=at~${sizeOf(upload)}/%2Ba+b%20c`;
}
