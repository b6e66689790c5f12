import { readFile, writeFile } from 'node:fs/promises';
import { execute } from '../tools/process.ts';
import { ADDRESSES, planNodes, type NodePlan } from './layout.ts';

/** The network device of a machine on the bridge, in its own namespace. */
const DEVICE = 'eth0';
const BRIDGE = 'br0';

async function ip(commands: string[], enter: string[] = []): Promise<void> {
  const [program, ...args] = [...enter, 'ip', '-batch', '-'];
  const run = execute(program, args, { timeout: 10_000 });
  run.child.stdin?.end(`${commands.join('\n')}\n`);
  await run;
}

/** Makes the bridge that all machines of the cluster stand at, in this process's network namespace. */
export async function createBridge(nodes: NodePlan[]): Promise<void> {
  await ip([
    'link set lo up',
    `link add ${BRIDGE} type bridge forward_delay 0`,
    `addr add ${ADDRESSES.controlPlane}/${ADDRESSES.prefixLength} dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
    ...podRoutes(nodes),
  ]);
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  // Frames between machines are no business of this namespace's iptables; absent where the module is not loaded.
  await writeFile('/proc/sys/net/bridge/bridge-nf-call-iptables', '0').catch(() => undefined);
}

function podRoutes(nodes: NodePlan[], except?: string): string[] {
  return nodes
    .filter(({ name }) => name !== except)
    .map(({ podSubnet, address }) => `route add ${podSubnet} via ${address}`);
}

/**
 * Gives a network namespace a device on the bridge, an address and routes to the Pods of every node.
 * `netns` is a name of `ip netns` or a process id; `enter` runs a command in it.
 */
export async function attach(name: string, netns: string, enter: string[], address: string): Promise<void> {
  await ip([
    `link add ${name} type veth peer name ${DEVICE} netns ${netns}`,
    `link set ${name} master ${BRIDGE}`,
    `link set ${name} up`,
  ]);
  await ip(
    [
      'link set lo up',
      `addr add ${address}/${ADDRESSES.prefixLength} dev ${DEVICE}`,
      `link set ${DEVICE} up`,
      `route add default via ${ADDRESSES.controlPlane}`,
      // Routes to nodes that do not exist cost nothing.
      ...podRoutes(planNodes(2), name),
    ],
    enter,
  );
}

/** Makes a network namespace of its own for a server, and attaches it. Gives the prefix that runs a command in it. */
export async function createHost(name: string, address: string): Promise<string[]> {
  await execute('ip', ['netns', 'add', name]);
  const enter = ['nsenter', `--net=/run/netns/${name}`, '--'];
  await attach(name, name, enter, address);
  return enter;
}

/** Bytes that a machine on the bridge has sent since it was attached, all protocols and headers included. */
export async function bytesSentBy(name: string): Promise<number> {
  return Number(await readFile(`/sys/class/net/${name}/statistics/rx_bytes`, 'utf8'));
}

/** Limits what a machine may send to this many bytes per second; undefined lifts the limit. */
export async function limitSending(enter: string[], bytesPerSecond: number | undefined): Promise<void> {
  const [program = '', ...prefix] = enter;
  if (bytesPerSecond === undefined) {
    // Fails where there is no limit to lift.
    await execute(program, [...prefix, 'tc', 'qdisc', 'del', 'dev', DEVICE, 'root']).catch(() => undefined);
    return;
  }
  const burst = Math.max(256 * 1024, Math.round(bytesPerSecond / 100));
  const tbf = ['tbf', 'rate', `${Math.round(bytesPerSecond)}bps`, 'burst', `${burst}b`, 'latency', '200ms'];
  await execute(program, [...prefix, 'tc', 'qdisc', 'replace', 'dev', DEVICE, 'root', ...tbf]);
}
