import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** A request that went through. */
export interface PassedRequest {
  method: string;
  /** With its query. */
  path: string;
  /** Bytes of its body so far. */
  bytes: number;
  /** 0 while there is no answer. */
  status: number;
}

/**
 * What goes wrong with a request. Bytes are those of a body that pass before:
 * - an `answer` in place of the registry's;
 * - `cutRequest`, `cutAnswer`: the connection is cut; `stallAnswer`: nothing more comes; `endAnswer`: the rest is left out,
 *   as if it had never been;
 * - `loseAnswer`: the registry does what it is asked to, and the connection is cut in place of its answer;
 * - `anonymous`: the registry sees no Authorization, as if it had run out.
 */
export type ProxyFault =
  | { answer: number; headers?: Record<string, string> }
  | { cutRequest: number }
  | { cutAnswer: number }
  | { stallAnswer: number }
  | { endAnswer: number }
  | 'loseAnswer'
  | 'anonymous';

/** What stands between clients and a registry of loopback. */
export interface RegistryProxy extends AsyncDisposable {
  /** As it stands in references. */
  host: string;
  requests: PassedRequest[];
  /** Bytes of blobs that were sent. */
  blobBytes(): number;
  /** Digests of the blobs that the registry has kept, in the order of its answers. */
  kept(): string[];
  /** Asked of each request from now on; nothing goes wrong by default. */
  fault: (request: PassedRequest) => ProxyFault | undefined;
}

export interface RegistryProxyOptions {
  /** Of all uploads together. */
  bytesPerSecond?: number;
  /** Told of each piece of an upload before it is passed on. */
  onUpload?: (proxy: RegistryProxy) => void;
  /** Told of each request, and of each piece of a body in either direction, before it is passed on. */
  onTraffic?: () => void;
}

/** Starts an HTTP proxy in front of a registry, which counts, may be slow, and fails where it is told to. */
export async function startRegistryProxy(
  target: string,
  { bytesPerSecond = Infinity, onUpload, onTraffic }: RegistryProxyOptions = {},
): Promise<RegistryProxy> {
  const requests: PassedRequest[] = [];
  const { hostname, port } = new URL(target);
  let free = 0;

  async function* metered(body: IncomingMessage, seen: PassedRequest, cutAfter: number): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      seen.bytes += chunk.length;
      onUpload?.(proxy);
      onTraffic?.();
      free = Math.max(free, performance.now()) + (chunk.length / bytesPerSecond) * 1000;
      await delay(Math.max(0, free - performance.now()));
      if (seen.bytes > cutAfter) {
        yield chunk.subarray(0, chunk.length - (seen.bytes - cutAfter));
        throw new Error('cut');
      }
      yield chunk;
    }
  }

  async function* partOf(answer: IncomingMessage, limit: number): AsyncGenerator<Buffer> {
    let left = limit;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      onTraffic?.();
      yield chunk.subarray(0, left);
      left -= chunk.length;
      if (left <= 0) {
        return;
      }
    }
  }

  /** Passes an answer on, as far as the fault lets it. */
  function reply(answer: IncomingMessage, response: ServerResponse, fault: ProxyFault | undefined): void {
    if (fault === 'loseAnswer') {
      response.destroy();
      return;
    }
    const { headers, statusCode = 0 } = answer;
    const limits = typeof fault === 'object' && !('answer' in fault) && !('cutRequest' in fault) ? fault : {};
    const [limit = Infinity] = Object.values<number>(limits);
    if ('endAnswer' in limits) {
      delete headers['content-length'];
    }
    response.writeHead(statusCode, headers);
    void pipeline(partOf(answer, limit), response, { end: 'endAnswer' in limits || limit === Infinity }).then(
      () => {
        if ('cutAnswer' in limits) {
          response.destroy();
        }
      },
      () => response.destroy(),
    );
  }

  function pass(incoming: IncomingMessage, response: ServerResponse): void {
    const { method = '', url: path = '' } = incoming;
    const seen = { method, path, bytes: 0, status: 0 };
    requests.push(seen);
    onTraffic?.();
    const fault = proxy.fault(seen);
    if (typeof fault === 'object' && 'answer' in fault) {
      incoming.resume();
      response.writeHead(fault.answer, fault.headers).end();
      return;
    }
    const { authorization, ...others } = incoming.headers;
    const headers = fault === 'anonymous' || authorization === undefined ? others : { ...others, authorization };
    const upstream = request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      seen.status = answer.statusCode ?? 0;
      reply(answer, response, fault);
    });
    upstream.on('error', () => response.destroy());
    const cutAfter = typeof fault === 'object' && 'cutRequest' in fault ? fault.cutRequest : Infinity;
    pipeline(metered(incoming, seen, cutAfter), upstream).catch(() => {
      upstream.destroy();
      response.destroy();
    });
  }

  const server = createServer(pass).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: RegistryProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fault: () => undefined,
    blobBytes: () => requests.filter(({ method }) => method === 'PATCH').reduce((sum, { bytes }) => sum + bytes, 0),
    kept: () =>
      requests.flatMap(({ method, path, status }) => {
        const digest = new URL(path, target).searchParams.get('digest');
        return method === 'PUT' && status === 201 && digest !== null ? [digest] : [];
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
  return proxy;
}
