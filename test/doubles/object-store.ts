import type { ServerResponse } from 'node:http';
import { sendJson, type Answer, type ReceivedRequest } from './api-server.ts';

/** Any object of the API. */
export interface StoredObject {
  metadata: { name: string; namespace?: string; resourceVersion?: string };
  [field: string]: unknown;
}

/** Objects by path, served as the API server does: GET, POST, PUT with the check of the resourceVersion, DELETE. */
export interface ObjectStore {
  answer: Answer;
  /** The object at a path such as `/api/v1/namespaces/ns/secrets/name`. */
  get(path: string): StoredObject | undefined;
  /** Puts an object there, as somebody else would. */
  set(path: string, object: StoredObject): void;
  delete(path: string): void;
  /** Called before each request is answered: to change things behind the caller's back. */
  beforeRequest(hook: (request: ReceivedRequest) => void): void;
}

/** For {@link startApiServer}. */
export function createObjectStore(): ObjectStore {
  const objects = new Map<string, StoredObject>();
  let version = 1;
  let hook: (request: ReceivedRequest) => void = () => undefined;

  const store = (path: string, object: StoredObject): StoredObject => {
    version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    objects.set(path, stored);
    return stored;
  };
  const serve = (response: ServerResponse, { method, url, body }: ReceivedRequest): void => {
    const path = new URL(url, 'http://localhost').pathname;
    const sent = body === '' ? undefined : (JSON.parse(body) as StoredObject);
    const target = method === 'POST' && sent !== undefined ? `${path}/${sent.metadata.name}` : path;
    const found = objects.get(target);
    if (method === 'POST' && sent !== undefined) {
      return found === undefined
        ? sendJson(response, 201, store(target, sent))
        : fail(response, 409, 'AlreadyExists', `${target} already exists`);
    }
    if (found === undefined) {
      return fail(response, 404, 'NotFound', `${target} not found`);
    }
    if (method === 'DELETE') {
      objects.delete(target);
      return sendJson(response, 200, found);
    }
    if (method === 'PUT' && sent !== undefined) {
      return sent.metadata.resourceVersion === found.metadata.resourceVersion
        ? sendJson(response, 200, store(target, sent))
        : fail(response, 409, 'Conflict', `${target}: the object has been modified`);
    }
    return sendJson(response, 200, found);
  };
  return {
    answer(response, request) {
      hook(request);
      serve(response, request);
    },
    get: (path) => objects.get(path),
    set: (path, object) => void store(path, object),
    delete: (path) => void objects.delete(path),
    beforeRequest: (next) => {
      hook = next;
    },
  };
}

function fail(response: ServerResponse, code: number, reason: string, message: string): void {
  sendJson(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });
}
