import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { dump } from 'js-yaml';

/** One request as it arrived. */
export interface ReceivedRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** Answers a request as a test wants it answered, or misbehaves. */
export type Answer = (response: ServerResponse, request: ReceivedRequest) => unknown;

/** An API server that does whatever a test tells it to, over plain HTTP on a loopback port. */
export interface ApiServerDouble extends AsyncDisposable {
  /** kubeconfig file that leads here. */
  kubeconfig: string;
  /** Everything that arrived, in order. */
  requests: ReceivedRequest[];
  /** TCP connections that were made. */
  connections(): number;
  /** Writes another kubeconfig that leads here, for the given user; returns its path. */
  kubeconfigFor(user: object): Promise<string>;
}

/** Starts an {@link ApiServerDouble}. */
export async function startApiServer(answer: Answer): Promise<ApiServerDouble> {
  const requests: ReceivedRequest[] = [];
  let connections = 0;
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const received = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    requests.push(received);
    await answer(response, received);
  };
  const server = createServer((request, response) => {
    // A request that is cut off is an answer's fault, not this server's.
    receive(request, response).catch(() => response.destroy());
  });
  server.on('connection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-api-server-'));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let written = 0;
  const kubeconfigFor = async (user: object): Promise<string> => {
    const path = join(directory, `${(written += 1)}.kubeconfig`);
    await writeFile(path, dump(kubeconfig({ server: url, 'insecure-skip-tls-verify': true }, user)));
    return path;
  };
  return {
    kubeconfig: await kubeconfigFor({ token: 'a-token' }),
    requests,
    connections: () => connections,
    kubeconfigFor,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
      await rm(directory, { recursive: true });
    },
  };
}

/** The object of a kubeconfig with one cluster and one user. */
export function kubeconfig(cluster: object, user: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  };
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
