import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Listening, Usage } from './server.ts';

/** A server in a process of its own. */
export interface ServerProcess extends Listening {
  stop(): Promise<void>;
}

/** The webhook in a process of its own. */
export interface WebhookProcess extends ServerProcess {
  /** What it has used since it started. */
  usage(): Promise<Usage>;
}

/** NODE_OPTIONS of the operator's Deployment. */
const AS_IN_THE_CHART = ['--max-semi-space-size=4'];

/** Starts the webhook with the index of a cluster of that many AcceleratedImages and nodes. */
export async function startServer(images: number, nodes: number): Promise<WebhookProcess> {
  const { child, ...server } = await start('server.ts', [String(images), String(nodes)]);
  return {
    ...server,
    async usage() {
      child.send('usage');
      const [usage] = (await once(child, 'message')) as [Usage];
      return usage;
    },
  };
}

/** Starts a server that answers at once. */
export async function startEcho(): Promise<ServerProcess> {
  const { child: _, ...server } = await start('echo.ts', []);
  return server;
}

async function start(file: string, args: string[]): Promise<ServerProcess & { child: ChildProcess }> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: AS_IN_THE_CHART });
  const [listening] = (await once(child, 'message')) as [Listening];
  return {
    ...listening,
    child,
    async stop() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}
