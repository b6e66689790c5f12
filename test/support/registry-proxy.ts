import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
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

/** What stands between clients and a registry of loopback. */
export interface RegistryProxy extends AsyncDisposable {
  /** As it stands in references. */
  host: string;
  requests: PassedRequest[];
  /** Bytes of blobs that were sent. */
  blobBytes(): number;
  /** Digests of the blobs that the registry has kept, in the order of its answers. */
  kept(): string[];
}

export interface RegistryProxyOptions {
  /** Of all uploads together. */
  bytesPerSecond?: number;
  /** Told of each piece of an upload before it is passed on. */
  onUpload?: (proxy: RegistryProxy) => void;
}

/** Starts an HTTP proxy in front of a registry, which counts and may be slow. */
export async function startRegistryProxy(
  target: string,
  { bytesPerSecond = Infinity, onUpload }: RegistryProxyOptions = {},
): Promise<RegistryProxy> {
  const requests: PassedRequest[] = [];
  const { hostname, port } = new URL(target);
  let free = 0;

  async function* metered(body: IncomingMessage, seen: PassedRequest): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      seen.bytes += chunk.length;
      onUpload?.(proxy);
      free = Math.max(free, performance.now()) + (chunk.length / bytesPerSecond) * 1000;
      await delay(Math.max(0, free - performance.now()));
      yield chunk;
    }
  }

  function pass(incoming: IncomingMessage, response: ServerResponse): void {
    const { method = '', url: path = '', headers } = incoming;
    const seen = { method, path, bytes: 0, status: 0 };
    requests.push(seen);
    const upstream = request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      seen.status = answer.statusCode ?? 0;
      response.writeHead(seen.status, answer.headers);
      pipeline(answer, response, () => undefined);
    });
    upstream.on('error', () => response.destroy());
    pipeline(metered(incoming, seen), upstream, () => undefined);
  }

  const server = createServer(pass).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: RegistryProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
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
