import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What is answered to a path with its query; 404 where there is nothing. */
export type Answers = Readonly<Record<string, { status?: number; body: string }>>;

/** An HTTP server on a Unix socket. */
export interface SocketServer extends AsyncDisposable {
  socket: string;
}

/** Serves fixed answers on a Unix socket until it is disposed of. */
export async function serveSocket(answers: Answers): Promise<SocketServer> {
  const folder = await mkdtemp(join(tmpdir(), 'socket-server-'));
  const socket = join(folder, 'api.sock');
  const server = createServer((request, response) => {
    const { status = 200, body } = answers[request.url ?? ''] ?? { status: 404, body: '{"code":"UNDEFINED"}' };
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  server.listen(socket);
  await once(server, 'listening');
  return {
    socket,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true });
    },
  };
}
