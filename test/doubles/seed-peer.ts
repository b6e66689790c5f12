import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Seed } from '../../src/dragonfly/provider.ts';

/** What a seed was asked, in the terms of dfdaemon's headers. */
export interface SeedRequest {
  path: string;
  /** Hex of the blob's digest; empty where no blob was asked for. */
  hex: string;
  offset: number;
  /** Number of the piece that holds the offset. */
  piece: number;
  prefetch: boolean;
  /** X-Dragonfly-Registry is an origin that can be asked. */
  origin: string | undefined;
  authorization: string | undefined;
}

export interface SeedReply {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** A running double. */
export interface SeedDouble extends AsyncDisposable {
  seed: Seed;
  requests: SeedRequest[];
  /** Pieces in the store, by blob. */
  pieces: Map<string, Set<number>>;
}

export interface SeedDoubleOptions {
  name?: string;
  /** Answers in place of the seed, where it answers at all: a fault. */
  fault?: (request: SeedRequest) => SeedReply | undefined | Promise<SeedReply | undefined>;
  /** Task id of a blob; its hex, unless said otherwise. */
  taskID?: (hex: string) => string;
}

const PIECE = 4 * 1024 * 1024;

/**
 * Stands in for a seed peer's HTTP proxy, for faults that a real dfdaemon cannot be brought to. It answers for single bytes as
 * dfdaemon 1.5.10 does: from its store; else, with an origin, by getting the piece (with prefetch: all pieces up to 16); else
 * with 500 of its own.
 */
export async function startSeedDouble({
  name = 'seed-0',
  fault = () => undefined,
  taskID = (hex) => hex,
}: SeedDoubleOptions = {}): Promise<SeedDouble> {
  const requests: SeedRequest[] = [];
  const pieces = new Map<string, Set<number>>();

  async function answer(request: SeedRequest): Promise<SeedReply> {
    const faulty = await fault(request);
    if (faulty !== undefined) {
      return faulty;
    }
    if (request.hex === '') {
      return { status: 400, headers: { 'X-Dragonfly-Error-Type': 'proxy' } };
    }
    const had = pieces.get(request.hex) ?? new Set();
    if (!had.has(request.piece)) {
      if (request.origin === undefined) {
        return { status: had.size === 0 ? 400 : 500, headers: { 'X-Dragonfly-Error-Type': 'dfdaemon' } };
      }
      pieces.set(request.hex, had.add(request.piece));
    }
    for (let piece = 0; request.prefetch && piece < 16; piece++) {
      had.add(piece);
    }
    return {
      status: 206,
      headers: { 'X-Dragonfly-Task-Id': taskID(request.hex), 'X-Dragonfly-Task-Download-Finished': 'true' },
      body: 'x',
    };
  }

  const server = createServer((incoming, outgoing) => {
    const { headers, url: path = '/' } = incoming;
    const offset = Number(/^bytes=(\d+)-\1$/.exec(headers.range ?? '')?.[1] ?? 0);
    const registry = headers['x-dragonfly-registry']?.toString();
    const request = {
      path,
      hex: /\/blobs\/sha256:([0-9a-f]+)$/.exec(path)?.[1] ?? '',
      offset,
      piece: Math.floor(offset / PIECE),
      prefetch: headers['x-dragonfly-prefetch'] !== 'false',
      origin: registry?.startsWith('http') === true ? registry : undefined,
      authorization: headers.authorization,
    };
    requests.push(request);
    void answer(request).then(({ status, headers: said, body }) => outgoing.writeHead(status, said).end(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    seed: { name, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    requests,
    pieces,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
