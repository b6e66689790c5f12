/**
 * An HTTPS server that reads a request and answers at once: what the machine, TLS and the caller cost without the webhook.
 * Says over IPC where it listens.
 */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { renew } from '../../../src/webhook/certificates/policy.ts';
import type { Listening } from './server.ts';

const { key, cert, bundle } = await renew('create', undefined, ['localhost'], new Date());
const server = createServer({ key, cert }, (request, response) => {
  request.resume().once('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ port, ca: bundle.join('') } satisfies Listening);
});
process.on('disconnect', () => {
  server.close();
  server.closeAllConnections();
});
