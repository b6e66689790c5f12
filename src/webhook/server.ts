import { once } from 'node:events';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { fastify, type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { abortable, aborted } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Reviewer } from './mutate.ts';
import { BODY_LIMIT } from './review.ts';

/** A serving certificate with its chain, and its private key; both PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Who may call: what API servers are told to show, by a kubeconfig of their AdmissionConfiguration. */
export interface AllowedClients {
  /** PEM of the authorities that sign the certificates of callers. */
  readonly ca: string;
  /** Common names of callers; any when empty. */
  readonly names: readonly string[];
}

/** What a server is made of. */
export interface WebhookServerOptions {
  readonly review: Reviewer;
  readonly clock: Clock;
  readonly log: Logger;
  readonly port: number;
  /** Address to listen on; every one, of IPv6 and IPv4, when left out. */
  readonly host?: string;
  /**
   * Milliseconds that it goes on serving as before when it is told to stop, until no endpoint points to it any more.
   * 10 s, since API servers go on using open connections to a Pod that terminates.
   */
  readonly drainMs?: number;
  /** Milliseconds after that, in which each answer asks the caller to come back on another connection. 3 s. */
  readonly farewellMs?: number;
  /** Only these may call; everybody who reaches the port when left out. */
  readonly clients?: AllowedClients | undefined;
}

/** The admission webhook over HTTPS. */
export interface WebhookServer {
  readonly name: string;
  /** Serves until `signal` aborts, and resolves when the last answer has gone out. Waits for a certificate first. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when it listens; at once while it has no certificate, which the leader may still have to issue. */
  ready(signal: AbortSignal): Promise<void>;
  /** Takes a certificate for the connections to come; those that are open go on. Throws when it does not fit its key. */
  setCertificate(certificate: Certificate): void;
  /** Whether it answers requests: for the readiness of the Pod. */
  isServing(): boolean;
  /** Where it listens; undefined before. */
  address(): AddressInfo | undefined;
}

/** Every API server that this works with speaks it. */
const MIN_TLS = 'TLSv1.3';

/** The API server keeps idle connections for 90 s (Go, IdleConnTimeout): it has to be the one that closes them. */
const KEEP_ALIVE_MS = 120_000;

/** The API server sends a request at once; it waits two seconds for the answer. */
const REQUEST_MS = 10_000;
const HANDSHAKE_MS = 10_000;

/** How long answers that are under way may hold up the end. */
const CLOSE_MS = 3000;

/** Makes the server; it listens once it runs and has a certificate. */
export function createWebhookServer(options: WebhookServerOptions): WebhookServer {
  const { clock, log, port, host, drainMs = 10_000, farewellMs = 3000, clients } = options;
  const certified = Promise.withResolvers<void>();
  const listening = Promise.withResolvers<void>();
  const state = { certified: false, serving: false, leaving: false };
  const app = createApp(options.review, clients, () => state.leaving);
  const { server } = app;
  return {
    name: 'webhook',
    async run(signal) {
      await Promise.race([certified.promise, aborted(signal)]);
      if (signal.aborted) {
        return;
      }
      await app.ready();
      server.listen(port, host);
      await once(server, 'listening');
      state.serving = true;
      listening.resolve();
      log.info({ address: server.address() }, 'the webhook serves');
      await aborted(signal);
      await clock.sleep(drainMs);
      state.leaving = true;
      await clock.sleep(farewellMs);
      state.serving = false;
      await close(server, clock);
      await app.close();
      log.info('the webhook has ended');
    },
    async ready(signal) {
      if (state.certified) {
        await abortable(listening.promise, signal);
      }
    },
    setCertificate(certificate) {
      server.setSecureContext({ ...certificate, minVersion: MIN_TLS, ...authoritiesOf(clients) });
      state.certified = true;
      certified.resolve();
    },
    isServing: () => state.serving,
    address: () => (server.address() as AddressInfo | null) ?? undefined,
  };
}

function createApp(
  review: Reviewer,
  clients: AllowedClients | undefined,
  isLeaving: () => boolean,
): FastifyInstance<Server> {
  const app = fastify({
    https: {
      minVersion: MIN_TLS,
      handshakeTimeout: HANDSHAKE_MS,
      requestCert: clients !== undefined,
      rejectUnauthorized: clients !== undefined,
      ...authoritiesOf(clients),
    },
    bodyLimit: BODY_LIMIT,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  if (clients !== undefined && clients.names.length > 0) {
    app.addHook('onRequest', async (request, reply) => {
      const { CN: name } = (request.raw.socket as TLSSocket).getPeerCertificate().subject;
      if (typeof name !== 'string' || !clients.names.includes(name)) {
        return reply.code(403).send({ message: `the certificate's common name ${String(name)} may not call` });
      }
    });
  }
  // When it is sent, not when the request begins: it may have begun before.
  app.addHook('onSend', async (_request, reply) => {
    if (isLeaving()) {
      reply.header('connection', 'close');
    }
  });
  app.post('/mutate-pods', async (request, reply) => {
    const response = review(String(request.body));
    return response ?? reply.code(400).send({ message: 'the body is no AdmissionReview of admission.k8s.io/v1' });
  });
  return app;
}

function authoritiesOf(clients: AllowedClients | undefined): { ca: string } | undefined {
  return clients === undefined ? undefined : { ca: clients.ca };
}

async function close(server: Server, clock: Clock): Promise<void> {
  const closed = once(server, 'close');
  // Ends idle connections too.
  server.close();
  const timer = clock.after(CLOSE_MS, () => server.closeAllConnections());
  await closed;
  timer.cancel();
}
