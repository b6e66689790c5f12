import { readdir, readFile } from 'node:fs/promises';

/** What the cluster runs a node's Dragonfly peer by, and the peer itself. */
interface PeerProcesses {
  /** nsenter, which waits for the peer, and stops when that is stopped. */
  readonly outer: number;
  readonly peer: number;
}

/** Stops the Dragonfly peer of a node in its tracks: connections stay open, and nothing answers. */
export async function hang(node: string): Promise<void> {
  process.kill((await find(node)).peer, 'SIGSTOP');
}

/** Lets it go on; nsenter passes that on to it. */
export async function goOn(node: string): Promise<void> {
  process.kill((await find(node)).outer, 'SIGCONT');
}

async function find(node: string): Promise<PeerProcesses> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
      return {
        pid: Number(pid),
        program: args[0] ?? '',
        isOf: args.some((arg) => arg.endsWith(`/${node}/dragonfly/dfdaemon.yaml`)),
      };
    }),
  );
  const ours = found.filter(({ isOf }) => isOf);
  const outer = ours.find(({ program }) => program.endsWith('nsenter'));
  const peer = ours.find(({ program }) => program.endsWith('dfdaemon'));
  if (outer === undefined || peer === undefined) {
    throw new Error(`no Dragonfly peer runs on ${node}`);
  }
  return { outer: outer.pid, peer: peer.pid };
}
