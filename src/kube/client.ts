import type { KubeObject } from '../runtime/object.ts';
import type { ListOptions, ListPage, ListWatch, WatchEvent, WatchOptions } from '../runtime/reflector.ts';
import { loadConnection, type Connection } from './connection.ts';
import { TransportError } from './errors.ts';
import type { Draft } from './json.ts';
import {
  apiVersionOf,
  checkRef,
  collectionPath,
  objectPath,
  pods,
  type ObjectRef,
  type Resource,
} from './resources.ts';
import { createTransport, describe, type Call, type Query, type Transport } from './transport.ts';
import { watchEvents } from './watch.ts';

const CALL_TIMEOUT_MS = 30_000;

/** Beyond the time after which the server itself ends a watch. */
const WATCH_GRACE_MS = 10_000;

/** Bytes of a log that are read when the caller does not say. */
const LOG_LIMIT = 1024 * 1024;

/** Media type of server-side apply; JSON is YAML. */
const APPLY = 'application/apply-patch+yaml';

/** Which objects a list or a watch is about. */
export interface Selectors {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
}

/** What {@link KubeClient.patch} sends. */
export type PatchType =
  'application/json-patch+json' | 'application/merge-patch+json' | 'application/strategic-merge-patch+json';

/** Any part of an object with its name: what create and apply take. apiVersion and kind are filled in. */
export type Manifest<T extends KubeObject> = Omit<Draft<T>, 'metadata'> & {
  readonly metadata: Draft<T['metadata']> & ObjectRef;
};

export interface KubeClientOptions {
  /** kubeconfig file; without it `KUBECONFIG`, then `~/.kube/config`, then the Pod's ServiceAccount. */
  kubeconfig?: string | undefined;
  /** Context of the kubeconfig; its current one when left out. */
  context?: string | undefined;
  userAgent: string;
  /** Milliseconds that a call other than a watch may take. Default 30 s. */
  callTimeoutMs?: number;
}

/** Loads a kubeconfig and makes the client for one of its contexts. Throws when there is none. */
export function loadKubeClient({ kubeconfig, context, userAgent, callTimeoutMs }: KubeClientOptions): KubeClient {
  return new KubeClient(loadConnection(kubeconfig, context), userAgent, callTimeoutMs);
}

/**
 * Calls to an API server, all over one pool of keep-alive connections. Objects are the raw JSON of the wire. Every call
 * throws KubeError (the server said no), TransportError (no usable answer), or the signal's reason.
 */
export class KubeClient {
  readonly #connection: Connection;
  readonly #transport: Transport;
  readonly #callTimeoutMs: number;

  constructor(connection: Connection, userAgent: string, callTimeoutMs = CALL_TIMEOUT_MS) {
    this.#connection = connection;
    this.#transport = createTransport(connection, userAgent);
    this.#callTimeoutMs = callTimeoutMs;
  }

  /** Namespace of the kubeconfig's context, for what names none. */
  get namespace(): string {
    return this.#connection.namespace;
  }

  /** Reads one object. */
  get<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, signal?: AbortSignal): Promise<T> {
    return this.#json({ method: 'GET', path: objectPath(resource, ref) }, signal);
  }

  /** Reads one page; without a `limit` everything. apiVersion and kind of the items are filled in, as a watch has them. */
  async list<T extends KubeObject>(
    resource: Resource<T>,
    { namespace, ...query }: Selectors & ListOptions,
    signal?: AbortSignal,
  ): Promise<ListPage<T>> {
    const call: Call = { method: 'GET', path: collectionPath(resource, namespace), query: { ...query } };
    const list = await this.#json<{ items: T[] | null; metadata: Omit<ListPage<T>, 'items'> }>(call, signal);
    const type = { apiVersion: apiVersionOf(resource), kind: resource.kind };
    const next = list.metadata.continue;
    return {
      items: (list.items ?? []).map((item) => ({ ...type, ...item })),
      resourceVersion: list.metadata.resourceVersion,
      ...(next === undefined || next === '' ? {} : { continue: next }),
    };
  }

  /**
   * Watches from a resourceVersion on, with bookmarks, until the server ends it (after `timeoutSeconds` at the latest).
   * An error that the server sends on the way is the last event. Leaving the loop cancels the request.
   */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    { namespace, ...query }: Selectors & WatchOptions,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>> {
    const path = collectionPath(resource, namespace);
    const call: Call = { method: 'GET', path, query: { watch: true, allowWatchBookmarks: true, ...query } };
    const timeoutMs = query.timeoutSeconds * 1000 + WATCH_GRACE_MS;
    return watchEvents<T>(this.#transport.stream(call, timeoutMs, signal), `watch of ${path}`);
  }

  /** Creates an object. */
  create<T extends KubeObject>(resource: Resource<T>, object: Manifest<T>, signal?: AbortSignal): Promise<T> {
    checkRef(resource, object.metadata);
    const path = collectionPath(resource, object.metadata.namespace);
    return this.#json({ method: 'POST', path, body: typed(resource, object) }, signal);
  }

  /** Replaces an object; its resourceVersion makes it fail with a conflict when it has changed since. */
  update<T extends KubeObject>(resource: Resource<T>, object: T, signal?: AbortSignal): Promise<T> {
    return this.#json(
      { method: 'PUT', path: objectPath(resource, object.metadata), body: typed(resource, object) },
      signal,
    );
  }

  /** Sends a patch of the given type; {@link KubeClient.apply} is for server-side apply. */
  patch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    body: unknown,
    contentType: PatchType,
    { subresource }: { subresource?: string } = {},
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#json({ method: 'PATCH', path: objectPath(resource, ref, subresource), body, contentType }, signal);
  }

  /** Deletes an object: with a `uid` only that very one (a conflict otherwise). */
  async delete<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    { propagationPolicy, uid }: { propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'; uid?: string } = {},
    signal?: AbortSignal,
  ): Promise<void> {
    const preconditions = uid === undefined ? undefined : { uid };
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy, preconditions };
    await this.#text({ method: 'DELETE', path: objectPath(resource, ref), body }, signal);
  }

  /**
   * Server-side apply (KEP-555): the object holds exactly the fields that this manager owns from now on. `force` (the
   * default) takes fields over from other managers; without it that is a conflict.
   */
  apply<T extends KubeObject>(
    resource: Resource<T>,
    object: Manifest<T>,
    { fieldManager, force = true, subresource }: { fieldManager: string; force?: boolean; subresource?: 'status' },
    signal?: AbortSignal,
  ): Promise<T> {
    const path = objectPath(resource, object.metadata, subresource);
    const query = { fieldManager, force };
    return this.#json({ method: 'PATCH', path, query, body: typed(resource, object), contentType: APPLY }, signal);
  }

  /** A container's log, from its start unless told otherwise; at most 1 MiB unless told otherwise. */
  podLogs(
    ref: ObjectRef,
    {
      limitBytes = LOG_LIMIT,
      ...query
    }: { container?: string; tailLines?: number; limitBytes?: number; sinceSeconds?: number } = {},
    signal?: AbortSignal,
  ): Promise<string> {
    const path = objectPath(pods, ref, 'log');
    return this.#text({ method: 'GET', path, query: { ...query, limitBytes }, accept: '*/*' }, signal);
  }

  /** Any other call, such as `/version` or a subresource. The answer is the body as text. */
  raw(
    method: Call['method'],
    path: string,
    { query, body, contentType }: { query?: Query; body?: unknown; contentType?: string } = {},
    signal?: AbortSignal,
  ): Promise<string> {
    return this.#text({ method, path, query, body, contentType, accept: '*/*' }, signal);
  }

  /** Ends every connection; calls that are still under way fail. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  #text(call: Call, signal?: AbortSignal): Promise<string> {
    return this.#transport.text(call, this.#callTimeoutMs, signal);
  }

  async #json<R>(call: Call, signal?: AbortSignal): Promise<R> {
    const text = await this.#text(call, signal);
    try {
      return JSON.parse(text) as R;
    } catch {
      // The answer is not quoted: it may hold a part of a Secret.
      throw new TransportError(`${describe(call)}: the API server's answer of ${text.length} characters is not JSON`);
    }
  }
}

/** What a Reflector lists and watches: the objects of a resource that the selectors choose. */
export function listWatch<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  selectors: Selectors = {},
): ListWatch<T> {
  return {
    list: (options, signal) => client.list(resource, { ...selectors, ...options }, signal),
    watch: (options, signal) => client.watch(resource, { ...selectors, ...options }, signal),
  };
}

function typed<T extends KubeObject>(resource: Resource<T>, object: Manifest<T> | T): object {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}
