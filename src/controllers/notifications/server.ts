import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fastify, type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { createSpamFilter } from '../../kube/spam-filter.ts';
import type { Tokens } from '../../notifications/tokens.ts';
import { aborted, withDeadline } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { NotificationMetrics, Outcome } from './metrics.ts';
import type { Receive } from './receive.ts';

/** Where notifications are posted. */
export const NOTIFICATIONS_PATH = '/notifications';

/** Bytes of a notification; the biggest that distribution sends have a few kilobytes. */
export const BODY_LIMIT = 1024 * 1024;

/** Notifications with a token that are read: a thousand at once, then a hundred each second. */
const BUDGET = { burst: 1000, refillMs: 10 };
/** Notifications that are worked on at once. */
const MAX_UNDERWAY = 64;
/** Connections, with and without a token. */
const MAX_CONNECTIONS = 512;
/** How long the marks of one notification may take; its sender comes again then. */
const WORK_MS = 5000;

const HEADERS_MS = 5000;
const REQUEST_MS = 10_000;
/** How often Node.js looks for connections that are slower than that. */
const SWEEP_MS = 1000;
const KEEP_ALIVE_MS = 60_000;
/** How long answers that are under way may hold up the end. */
const CLOSE_MS = 6000;

const STATUS: Readonly<Record<Outcome, number>> = {
  marked: 202,
  known: 202,
  unmatched: 202,
  ignored: 202,
  malformed: 400,
  unauthorized: 401,
  limited: 429,
  failed: 503,
};

export interface NotificationServerOptions {
  readonly receive: Receive;
  /** The tokens as they are now. */
  readonly tokens: () => Tokens;
  readonly metrics: NotificationMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly port: number;
  /** Address to listen on; every one, of IPv6 and IPv4, when left out. */
  readonly host?: string;
}

/** Takes notifications of registries over HTTP, as a runnable of the manager. */
export interface NotificationServer {
  readonly name: string;
  /** Serves until the signal, and resolves when the last answer has gone out. Throws when the port cannot be had. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves once it listens. */
  ready(signal: AbortSignal): Promise<void>;
  /** Where it listens; undefined before. */
  address(): AddressInfo | undefined;
}

/** Makes the server; it listens once it runs. */
export function createNotificationServer(options: NotificationServerOptions): NotificationServer {
  const { clock, log, port, host } = options;
  const app = createApp(options);
  const { server } = app;
  // The limit is on open ones: more are closed at once, and their senders come again.
  server.maxConnections = MAX_CONNECTIONS;
  return {
    name: 'notifications',
    async run(signal) {
      if (signal.aborted) {
        return;
      }
      await app.ready();
      server.listen(port, host);
      await once(server, 'listening');
      log.info({ address: server.address() }, 'taking notifications of registries');
      await aborted(signal);
      const timer = clock.after(CLOSE_MS, () => server.closeAllConnections());
      await app.close();
      timer.cancel();
    },
    async ready(signal) {
      if (!server.listening) {
        await once(server, 'listening', { signal });
      }
    },
    address: () => (server.address() as AddressInfo | null) ?? undefined,
  };
}

function createApp({ receive, tokens, metrics, clock, log }: NotificationServerOptions): FastifyInstance {
  const app = fastify({
    http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: SWEEP_MS },
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    bodyLimit: BODY_LIMIT,
    return503OnClosing: true,
  });
  const hasBudget = createSpamFilter(clock, BUDGET);
  let underway = 0;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  // Before the body is read, whatever the path: what is refused here costs a header and a hash.
  app.addHook('onRequest', async (request, reply) => {
    const refusal = !tokens().accepts(request.headers.authorization)
      ? 'unauthorized'
      : hasBudget('all') && underway < MAX_UNDERWAY
        ? undefined
        : 'limited';
    if (refusal === undefined) {
      return undefined;
    }
    metrics.received(refusal);
    // Its body is never read, so nothing can follow it on this connection.
    const headers = refusal === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : { 'retry-after': '1' };
    return reply
      .code(STATUS[refusal])
      .headers({ connection: 'close', ...headers })
      .send({ outcome: refusal });
  });
  app.setErrorHandler((error: { statusCode?: number; message: string }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) {
      log.error({ err: error }, 'a notification could not be answered');
    }
    const outcome = status >= 500 ? 'failed' : 'malformed';
    metrics.received(outcome);
    return reply.code(status).send({ outcome, message: status >= 500 ? 'internal error' : error.message });
  });
  app.post<{ Body: string | undefined }>(NOTIFICATIONS_PATH, async (request, reply) => {
    underway += 1;
    try {
      const { signal } = new AbortController();
      const work = { clock, ms: WORK_MS, what: 'marking what a notification is about', signal };
      const { form, outcome, objects } = await withDeadline(work, () => receive(request.body ?? ''));
      metrics.received(outcome, form);
      return await reply.code(STATUS[outcome]).send({ outcome, objects });
    } catch (error) {
      log.warn({ err: error }, 'a notification could not be acted on; its sender is asked to come again');
      metrics.received('failed');
      return await reply.code(STATUS.failed).header('retry-after', '1').send({ outcome: 'failed' });
    } finally {
      underway -= 1;
    }
  });
  return app;
}
