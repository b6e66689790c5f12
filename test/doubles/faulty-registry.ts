import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Authorization } from './faulty-registry/authorization.ts';
import type { AuthorizationOptions } from './faulty-registry/authorization.ts';
import { Content } from './faulty-registry/content.ts';
import type { ImageOptions, StoredImage } from './faulty-registry/content.ts';
import { Faults, replacement, sendReply } from './faulty-registry/faults.ts';
import type { Fault, FaultRule } from './faulty-registry/faults.ts';
import { errorReply } from './faulty-registry/http.ts';
import type { RecordedRequest, Reply } from './faulty-registry/http.ts';
import { Uploads } from './faulty-registry/uploads.ts';
import type { UploadOptions } from './faulty-registry/uploads.ts';

export type { AuthorizationOptions, Content, Fault, FaultRule, ImageOptions, RecordedRequest, StoredImage };

export interface FaultyRegistryOptions extends UploadOptions {
  /** PEM; without it, plain HTTP. */
  tls?: { key: string; cert: string };
}

/** A registry on loopback that does what the Distribution API says until it is told to do otherwise. */
export interface FaultyRegistry {
  /** As it stands in references: `127.0.0.1:34567`. */
  host: string;
  origin: string;
  /** What it holds, to fill and to look at. */
  content: Content;
  /** Requests to the registry, oldest first. */
  requests: RecordedRequest[];
  /** Requests to the storage host that `redirectToStorage` points to. */
  storageRequests: RecordedRequest[];
  /** Uploads that were opened, and neither committed nor cancelled. */
  readonly openUploads: number;
  addImage(repository: string, tag: string | undefined, options?: ImageOptions): StoredImage;
  /** Makes requests go wrong from now on. Of several rules that match, the newest decides. */
  fail(rule: FaultRule): void;
  /** Takes back all rules. */
  recover(): void;
  /** Lets nobody in any more but those who are named. */
  requireAuthorization(options: AuthorizationOptions): void;
  /** Refuses every token that was issued. */
  revokeTokens(): void;
  close(): Promise<void>;
}

/** Starts a registry, and a storage host beside it at another host and port. */
export async function startFaultyRegistry(options: FaultyRegistryOptions = {}): Promise<FaultyRegistry> {
  const content = new Content();
  const uploads = new Uploads(content, options);
  const faults = new Faults();
  const requests: RecordedRequest[] = [];
  const storageRequests: RecordedRequest[] = [];
  let authorization: Authorization | undefined;

  const answer = (request: RecordedRequest, fault: Fault | undefined): Reply => {
    if (authorization !== undefined && request.path === '/token') {
      return authorization.token(request);
    }
    const [, repository = '', kind = '', rest = ''] =
      /^\/v2\/(.+)\/(manifests|blobs\/uploads|blobs)\/([^/]*)$/.exec(request.path) ?? [];
    const refusal = authorization?.refuse(origin, request, neededAccess(request, repository));
    if (refusal !== undefined || request.path === '/v2/') {
      return refusal ?? { status: 200 };
    }
    if (kind === 'manifests') {
      return answerManifest(content, repository, rest, request);
    }
    if (kind === 'blobs') {
      return answerBlob(content, repository, rest, request, fault === 'ignoreRange');
    }
    if (kind === 'blobs/uploads' && rest === '') {
      return uploads.start(origin, repository, request);
    }
    if (kind === 'blobs/uploads' && typeof fault === 'object' && 'takeBytes' in fault) {
      uploads.takePart(rest, request.body.subarray(0, fault.takeBytes));
      return { status: 500 };
    }
    return kind === 'blobs/uploads' ? uploads.continue(origin, rest, request) : { status: 404 };
  };

  const registry = await listen('127.0.0.1', options.tls, (request, response) => {
    requests.push(request);
    const fault = faults.take(request);
    if (typeof fault === 'object' && 'meanwhile' in fault) {
      fault.meanwhile();
    }
    sendReply(response, request, replacement(fault, request, storage.origin) ?? answer(request, fault), fault);
  });
  const { origin } = registry;
  const storage = await listen('localhost', options.tls, (request, response) => {
    storageRequests.push(request);
    const [, loop, repository = '', digest = ''] = /^(\/loop)?\/v2\/(.+)\/blobs\/(.+)$/.exec(request.path) ?? [];
    const reply =
      loop === undefined
        ? answerBlob(content, repository, digest, request, false)
        : { status: 307, headers: { location: `${origin}${request.path.slice(loop.length)}` } };
    sendReply(response, request, reply, undefined);
  });

  return {
    host: new URL(origin).host,
    origin,
    content,
    requests,
    storageRequests,
    get openUploads() {
      return uploads.size;
    },
    addImage: (repository, tag, image) => content.addImage(repository, tag, image),
    fail: (rule) => faults.add(rule),
    recover: () => faults.clear(),
    requireAuthorization: (wanted) => {
      authorization = new Authorization(wanted);
    },
    revokeTokens: () => authorization?.revokeTokens(),
    close: async () => {
      await Promise.all([registry.close(), storage.close()]);
    },
  };
}

function answerManifest(content: Content, repository: string, reference: string, request: RecordedRequest): Reply {
  if (request.method === 'PUT') {
    const mediaType = String(request.headers['content-type']);
    const { digest } = content.addManifest(repository, reference, request.body, mediaType);
    return {
      status: 201,
      headers: { location: `/v2/${repository}/manifests/${digest}`, 'docker-content-digest': digest },
    };
  }
  if (request.method === 'DELETE') {
    return content.deleteManifest(repository, reference) ? { status: 202 } : errorReply(404, 'MANIFEST_UNKNOWN');
  }
  const stored = content.manifest(repository, reference);
  if (stored === undefined || !String(request.headers.accept).includes(stored.mediaType)) {
    return errorReply(404, 'MANIFEST_UNKNOWN');
  }
  const headers = { 'content-type': stored.mediaType, 'docker-content-digest': stored.digest };
  return { status: 200, headers, body: stored.body };
}

function answerBlob(
  content: Content,
  repository: string,
  digest: string,
  request: RecordedRequest,
  whole: boolean,
): Reply {
  const body = content.blob(repository, digest);
  if (body === undefined) {
    return errorReply(404, 'BLOB_UNKNOWN');
  }
  const headers = { 'content-type': 'application/octet-stream', 'docker-content-digest': digest };
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(String(request.headers.range)) ?? [];
  if (first === undefined || whole) {
    return { status: 200, headers, body };
  }
  const part = body.subarray(Number(first), Number(last) + 1);
  if (part.length === 0) {
    return errorReply(416, 'RANGE_INVALID');
  }
  const range = `bytes ${first}-${Number(first) + part.length - 1}/${body.length}`;
  return { status: 206, headers: { ...headers, 'content-range': range }, body: part };
}

/** As distribution's registry decides it: `name:action`s. */
function neededAccess({ method, query }: RecordedRequest, repository: string): string[] {
  if (repository === '') {
    return [];
  }
  if (method === 'DELETE') {
    return [`${repository}:delete`];
  }
  const from = new URLSearchParams(query).get('from');
  const read = [repository, ...(from === null ? [] : [from])].map((name) => `${name}:pull`);
  return method === 'GET' || method === 'HEAD' ? read : [...read, `${repository}:push`];
}

async function record(incoming: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    chunks.push(chunk);
  }
  const [path = '', ...query] = (incoming.url ?? '').split('?');
  return {
    method: incoming.method ?? '',
    path,
    query: query.length === 0 ? '' : `?${query.join('?')}`,
    headers: incoming.headers,
    body: Buffer.concat(chunks),
  };
}

async function listen(
  name: string,
  tls: FaultyRegistryOptions['tls'],
  handle: (request: RecordedRequest, response: ServerResponse) => void,
): Promise<{ origin: string; close(): Promise<void> }> {
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    record(incoming).then(
      (request) => handle(request, response),
      () => response.destroy(), // The client went away in the middle of its request.
    );
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://${name}:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
