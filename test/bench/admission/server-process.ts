import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Listening, Usage } from './server.ts';

/** The webhook in a process of its own. */
export interface ServerProcess extends Listening {
  /** What it has used since it started. */
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** NODE_OPTIONS of the operator's Deployment. */
const AS_IN_THE_CHART = ['--max-semi-space-size=4'];

/** Starts the webhook with the index of a cluster of that many AcceleratedImages and nodes. */
export async function startServer(images: number, nodes: number): Promise<ServerProcess> {
  const path = fileURLToPath(new URL('server.ts', import.meta.url));
  const child = fork(path, [String(images), String(nodes)], { execArgv: AS_IN_THE_CHART });
  const [listening] = (await once(child, 'message')) as [Listening];
  return {
    ...listening,
    async usage() {
      child.send('usage');
      const [usage] = (await once(child, 'message')) as [Usage];
      return usage;
    },
    async stop() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}
