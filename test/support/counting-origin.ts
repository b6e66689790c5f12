import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A reverse proxy in front of a registry that counts what the registry had to serve. */
export interface CountingOrigin extends AsyncDisposable {
  url: string;
  /** Bytes of the bodies of all answers so far whose path ends so; of all answers, for the empty string. */
  bytes(pathSuffix?: string): number;
  /** Requests so far whose path ends so; all, for the empty string. */
  requests(pathSuffix?: string): number;
  /** Values of the Authorization header that came. */
  authorizations: ReadonlySet<string>;
  /** Answers every request with this status from now on; undefined lets them through again. */
  refuseWith(status: number | undefined): void;
  /** Lets `count` requests for this path through, and answers the next ones with `status`; resolves at the first of those. */
  refuseAfter(count: number, pathSuffix: string, status: number): Promise<void>;
  /** Stops answering blob requests, as a slow registry would, until the function that it returns is called. */
  hold(): () => void;
}

/** Starts a counting proxy on a free port of 127.0.0.1 in front of `upstream`. */
export async function startCountingOrigin(upstream: string): Promise<CountingOrigin> {
  const bytes = new Map<string, number>();
  const authorizations = new Set<string>();
  const requests = new Map<string, number>();
  let refusal: number | undefined;
  let gate: Promise<void> = Promise.resolve();
  let allowance: { left: number; suffix: string; status: number; spent: () => void } | undefined;

  async function forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = incoming.url ?? '/';
    requests.set(path, (requests.get(path) ?? 0) + 1);
    if (incoming.headers.authorization !== undefined) {
      authorizations.add(incoming.headers.authorization);
    }
    if (allowance !== undefined && path.endsWith(allowance.suffix) && allowance.left-- <= 0) {
      refusal = allowance.status;
      allowance.spent();
      allowance = undefined;
    }
    if (refusal !== undefined) {
      outgoing.writeHead(refusal).end();
      return;
    }
    if (path.includes('/blobs/')) {
      await gate;
    }
    const { host: _host, ...headers } = incoming.headers;
    const onward = request(new URL(path, upstream), { method: incoming.method, headers });
    onward.on('error', () => outgoing.destroy());
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('data', (chunk: Buffer) => bytes.set(path, (bytes.get(path) ?? 0) + chunk.length));
      answer.pipe(outgoing);
    });
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  const server = createServer((incoming, outgoing) => {
    void forward(incoming, outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: (suffix = '') => sumOf(bytes, suffix),
    requests: (suffix = '') => sumOf(requests, suffix),
    authorizations,
    refuseWith: (status) => {
      refusal = status;
    },
    refuseAfter: (count, suffix, status) => {
      const spent = Promise.withResolvers<void>();
      allowance = { left: count, suffix, status, spent: spent.resolve };
      return spent.promise;
    },
    hold: () => {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return () => held.resolve();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

function sumOf(counts: ReadonlyMap<string, number>, suffix: string): number {
  return [...counts].reduce((sum, [path, count]) => (path.endsWith(suffix) ? sum + count : sum), 0);
}
