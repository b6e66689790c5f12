import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { aborted } from '../runtime/abort.ts';

/** How long requests that are under way may take to end on a stop. */
const DRAIN_MS = 5_000;

const REQUEST_TIMEOUT_MS = 10_000;

/** One reason to call the process healthy or ready. Must answer at once and do no I/O: kubelet asks every few seconds. */
export interface HealthCheck {
  name: string;
  /** Why it fails, or undefined when it passes. */
  failure(): string | undefined;
}

export interface HealthServerOptions {
  host: string;
  /** 0 chooses a free one. */
  port: number;
  registry: Registry;
  /** Checks of `/healthz`: a failure gets the process restarted. */
  healthy: readonly HealthCheck[];
  /** Checks of `/readyz`: a failure takes the process out of its Service. */
  ready: readonly HealthCheck[];
  log: Logger;
}

/** Serves `/healthz`, `/readyz` (both with `?verbose`) and `/metrics`, as a runnable of the manager. */
export interface HealthServer {
  readonly name: string;
  /** Base URL. Throws before {@link HealthServer.ready} has resolved. */
  url(): string;
  /** Serves until the signal, then ends what is under way (5 s at most). Throws when the port cannot be had. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves once it listens; rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void>;
}

/** Makes a {@link HealthServer}. */
export function createHealthServer({ host, port, registry, healthy, ready, log }: HealthServerOptions): HealthServer {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      log.error({ err: error, url: request.url }, 'cannot answer a request for health or metrics');
      send(response, 500, 'internal error\n');
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!server.listening) {
      // On a stop nobody may come again over this connection.
      response.setHeader('connection', 'close');
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      send(response, 405, 'only GET and HEAD\n');
    } else if (pathname === '/healthz') {
      report(response, pathname, healthy, searchParams.has('verbose'));
    } else if (pathname === '/readyz') {
      report(response, pathname, ready, searchParams.has('verbose'));
    } else if (pathname === '/metrics') {
      const text = await registry.metrics();
      response.setHeader('content-type', registry.contentType);
      send(response, 200, text);
    } else {
      send(response, 404, 'only /healthz, /readyz and /metrics are here\n');
    }
  }

  function url(): string {
    const address = server.address() as AddressInfo | null;
    if (address === null) {
      throw new Error('the health server does not listen yet');
    }
    return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  }

  return {
    name: 'health-and-metrics',
    url,
    async run(signal) {
      if (signal.aborted) {
        return;
      }
      server.listen(port, host);
      await once(server, 'listening');
      log.info({ url: url() }, 'serving health and metrics');
      await aborted(signal);
      await drain(server);
    },
    async ready(signal) {
      if (!server.listening) {
        await once(server, 'listening', { signal });
      }
    },
  };
}

/** The text of the API server's own endpoints, which people know how to read. */
function report(response: ServerResponse, path: string, checks: readonly HealthCheck[], verbose: boolean): void {
  const results = checks.map((check) => ({ name: check.name, why: check.failure() }));
  const failed = results.some(({ why }) => why !== undefined);
  const detail = results.map(({ name, why }) =>
    why === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${why}\n`,
  );
  const verdict = `${path.slice(1)} check ${failed ? 'failed' : 'passed'}\n`;
  send(response, failed ? 503 : 200, failed || verbose ? `${detail.join('')}${verdict}` : 'ok\n');
}

function send(response: ServerResponse, status: number, body: string): void {
  response.statusCode = status;
  if (!response.hasHeader('content-type')) {
    response.setHeader('content-type', 'text/plain; charset=utf-8');
  }
  response.end(body);
}

async function drain(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  const closed = once(server, 'close');
  server.close();
  await closed;
  clearTimeout(timer);
}
