import { createServer, request, type Server } from 'node:http';
import { z } from 'zod';
import type { Part } from './part.ts';

const PartPath = /^\/parts\/([a-z0-9-]+)\/(start|stop|kill)$/;

/** What can be done to a part of a running cluster. */
export type PartAction = 'start' | 'stop' | 'kill';

/** Lets processes inside the cluster end and start its parts, over a Unix socket of the supervisor. */
export async function serveControl(socket: string, parts: readonly Part[]): Promise<Server> {
  async function act(path: string): Promise<{ status: number; body: unknown }> {
    const [, name, action] = PartPath.exec(path) ?? [];
    const part = parts.find((candidate) => candidate.name === name);
    if (part === undefined) return { status: 404, body: { parts: parts.map((candidate) => candidate.name) } };
    if (action === 'start') await part.start();
    else await part.stop(action === 'kill' ? 'SIGKILL' : 'SIGTERM');
    return { status: 200, body: {} };
  }
  const server = createServer((req, res) => {
    void act(req.url ?? '')
      .catch((error: unknown) => ({ status: 500, body: { error: String(error) } }))
      .then(({ status, body }) => {
        res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socket, resolve));
  return server;
}

const Answer = z.object({ error: z.string().optional(), parts: z.array(z.string()).optional() });

/** Ends or starts a part of the running cluster; returns when that is done and, for a start, the part is ready. */
export async function controlPart(socket: string, name: string, action: PartAction): Promise<void> {
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const req = request({ socketPath: socket, method: 'POST', path: `/parts/${name}/${action}` }, (response) => {
      let received = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: received }));
    });
    req.once('error', reject);
    req.end();
  });
  if (status === 200) return;
  const answer = Answer.parse(JSON.parse(text));
  throw new Error(`cannot ${action} ${name}: ${answer.error ?? `parts are ${(answer.parts ?? []).join(', ')}`}`);
}
