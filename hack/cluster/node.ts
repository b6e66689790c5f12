import { spawn } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { toolPath } from '../tools/locate.ts';
import { execute } from '../tools/process.ts';
import { createCgroup, hierarchies, inCgroup } from './cgroups.ts';
import { logOf, type Layout, type NodePlan } from './layout.ts';
import { dfdaemon } from './dfdaemon.ts';
import { enterAll, firstChild, mountScript, UNSHARE } from './namespaces.ts';
import { attach } from './network.ts';
import * as config from './node-config.ts';
import { startPart, type Part, type PartOptions } from './part.ts';
import { componentKubeconfig, type Pki } from './pki.ts';

/** A machine of the cluster: namespaces with a process that keeps them. */
export interface NodeMachine {
  plan: NodePlan;
  /** First process of the node, as the cluster's process namespace numbers it. */
  pid: number;
  /** Folder of the node's configuration and data. */
  folder: string;
}

/** The command line prefix that runs something on a node, in its cgroup. */
export function onNode(name: string, pid: number): (command: string[]) => string[] {
  return (command) => inCgroup(name, [...enterAll(pid), ...command]);
}

/** Makes a node's namespaces, mounts and network. Nothing runs there yet but their keeper. */
export async function createNode(layout: Layout, plan: NodePlan): Promise<NodeMachine> {
  const folder = join(layout.state, plan.name);
  const own = (name: string): string => join(folder, name);
  for (const name of ['lib', 'log', 'etc', 'etc-work']) await mkdir(own(name), { recursive: true });
  await createCgroup(plan.name);
  const [program = '', ...args] = inCgroup(plan.name, [...UNSHARE, 'tini', '--', 'sleep', 'infinity']);
  const keeper = spawn(program, args, { stdio: 'ignore' });
  if (keeper.pid === undefined) throw new Error(`${plan.name}: cannot make namespaces`);
  const pid = await firstChild(keeper.pid);
  const script = [
    mountScript(hierarchies(), [
      `mount --bind '${own('lib')}' /var/lib`,
      `mount --bind '${own('log')}' /var/log`,
      // containerd makes a folder there whatever its configuration says.
      `mount -t overlay -o 'lowerdir=/etc,upperdir=${own('etc')},workdir=${own('etc-work')}' etc /etc`,
    ]),
    `hostname ${plan.name}`,
    'echo 1 >/proc/sys/net/ipv4/ip_forward',
  ].join('\n');
  const [enter = '', ...prefix] = enterAll(pid);
  await execute(enter, [...prefix, 'sh', '-c', script]);
  await attach(plan.name, String(pid), ['nsenter', `--net=/proc/${pid}/ns/net`, '--'], plan.address);
  return { plan, pid, folder };
}

function nodePart(layout: Layout, node: NodeMachine, name: string, command: string[]): PartOptions {
  const part = `${node.plan.name}-${name}`;
  return {
    name: part,
    command: onNode(node.plan.name, node.pid)(command),
    log: logOf(layout, part),
    // nsenter waits beside the process namespace; the program is its child.
    signalTarget: firstChild,
  };
}

/** Whether something listens on a Unix socket of a node; one that was killed leaves its file. */
function listensOn(node: NodeMachine, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(`/proc/${node.pid}/root${path}`);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Starts what pulls and runs containers: nydus-snapshotter, then containerd. */
export async function startRuntime(
  layout: Layout,
  node: NodeMachine,
  pki: Pki,
  proxy?: config.NydusProxy,
): Promise<Part[]> {
  const { folder, plan } = node;
  for (const [host, hosts] of Object.entries(config.registryHosts(pki, proxy === config.LOCAL_PEER))) {
    await mkdir(join(folder, 'certs.d', host), { recursive: true });
    await writeFile(join(folder, 'certs.d', host, 'hosts.toml'), hosts);
  }
  await mkdir(join(folder, 'cni'), { recursive: true });
  await writeFile(join(folder, 'containerd.toml'), config.containerdConfig(folder));
  await writeFile(join(folder, 'cni', '10-pods.conflist'), config.cniConfig(plan));
  await writeFile(join(folder, 'snapshotter.toml'), config.snapshotterConfig(folder, toolPath('nydus-image')));
  await writeFile(join(folder, 'nydusd.json'), config.nydusdConfig(proxy));
  await writeFile(join(folder, 'nydusd'), config.nydusdWrapper(toolPath('nydusd')));
  await chmod(join(folder, 'nydusd'), 0o755);

  const snapshotter = await startPart({
    ...nodePart(layout, node, 'nydus-snapshotter', [
      toolPath('containerd-nydus-grpc'),
      '--config',
      join(folder, 'snapshotter.toml'),
    ]),
    ready: () => listensOn(node, config.NODE_PATHS.snapshotter),
  });
  const containerd = await startPart({
    ...nodePart(layout, node, 'containerd', [toolPath('containerd'), '--config', join(folder, 'containerd.toml')]),
    ready: async () => {
      await containerdClient(node.plan.name, node.pid, ['version']);
      return true;
    },
  });
  return [snapshotter, containerd];
}

/** Name of the part that {@link startPeer} starts on a node. */
export function peerPart(node: string): string {
  return `${node}-dfdaemon`;
}

/** Starts the node's Dragonfly peer; the scheduler must be there. */
export async function startPeer(layout: Layout, node: NodeMachine, pki: Pki): Promise<Part> {
  const { folder, plan } = node;
  const command = await dfdaemon({
    name: plan.name,
    folder: join(folder, 'dragonfly'),
    ip: plan.address,
    proxyIP: '127.0.0.1',
    role: 'peer',
    registryAuthority: pki.ca.cert,
  });
  return await startPart({
    ...nodePart(layout, node, 'dfdaemon', command),
    // After it was killed it says "Address already in use" for a minute.
    restarts: true,
    ready: async () => {
      const [program = '', ...ask] = onNode(
        plan.name,
        node.pid,
      )(['busybox', 'wget', '-q', '-O', '-', config.LOCAL_PEER.pingUrl]);
      await execute(program, ask, { timeout: 5_000 });
      return true;
    },
  });
}

/** Runs containerd's client on a node, in Kubernetes' namespace, and gives what it prints. */
export async function containerdClient(name: string, pid: number, args: string[]): Promise<string> {
  const ctr = [toolPath('ctr'), '--address', config.NODE_PATHS.containerd, '--namespace', 'k8s.io', ...args];
  const [program = '', ...rest] = onNode(name, pid)(ctr);
  const { stdout } = await execute(program, rest, { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** Starts kubelet and kube-proxy; the node then registers itself. Needs the API server and the sandbox image. */
export async function startKubelet(layout: Layout, node: NodeMachine, pki: Pki): Promise<Part[]> {
  const { folder, plan } = node;
  const credentials = pki.nodes.get(plan.name);
  if (credentials === undefined) throw new Error(`${plan.name} has no certificates`);
  const proxyKubeconfig = await componentKubeconfig(pki, credentials.proxy);
  await writeFile(join(folder, 'kubelet.json'), config.kubeletConfig(plan, pki, credentials.serving));
  await writeFile(join(folder, 'kube-proxy.json'), config.kubeProxyConfig(plan, proxyKubeconfig));
  return Promise.all([
    startPart(
      nodePart(layout, node, 'kubelet', [
        toolPath('kubelet'),
        `--config=${join(folder, 'kubelet.json')}`,
        `--kubeconfig=${await componentKubeconfig(pki, credentials.kubelet)}`,
        `--hostname-override=${plan.name}`,
        `--node-ip=${plan.address}`,
      ]),
    ),
    startPart(
      nodePart(layout, node, 'kube-proxy', [toolPath('kube-proxy'), `--config=${join(folder, 'kube-proxy.json')}`]),
    ),
  ]);
}
