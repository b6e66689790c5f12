import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { execute } from '../tools/process.ts';
import type { Progress } from '../tools/progress.ts';
import { createApiClient, type ApiClient } from './api.ts';
import {
  startApiServer,
  startControllerManager,
  startEtcd,
  startMetricsServer,
  startScheduler,
} from './control-plane.ts';
import { ADDRESSES, layoutAt, planNodes, type Layout, type NodePlan } from './layout.ts';
import { controlPart, serveControl, type PartAction } from './control.ts';
import { registerMetrics } from './metrics.ts';
import { bytesSentBy, createBridge, createHost, limitSending } from './network.ts';
import { createNode, onNode, startKubelet, startPeer, startRuntime, type NodeMachine } from './node.ts';
import { LOCAL_PEER } from './node-config.ts';
import { ClusterOptions } from './options.ts';
import type { Part } from './part.ts';
import { createPki, writeKubeconfig } from './pki.ts';
import { pushOwnImages, startRegistry, startTlsRegistry } from './registry.ts';
import { SEED, SEED_PARTS, startSeed } from './seed.ts';

const Description = z.object({
  options: ClusterOptions,
  nodes: z.array(z.object({ name: z.string(), address: z.string(), pid: z.int() })),
});

/** A node of a running cluster. */
export interface ClusterNode {
  name: string;
  address: string;
  /** First process of the node, as the cluster's process namespace numbers it. */
  pid: number;
  /** Runs a command on the node; rejects when it fails. */
  run(command: string[]): Promise<{ stdout: string; stderr: string }>;
}

/** A running cluster, as code inside its namespaces sees it. */
export interface Cluster {
  options: ClusterOptions;
  layout: Layout;
  nodes: ClusterNode[];
  /** Bytes that the registry's machine has sent so far. */
  originBytes(): Promise<number>;
  /** Limits what the registry's machine may send to this many bytes per second; undefined lifts the limit. */
  limitOrigin(bytesPerSecond: number | undefined): Promise<void>;
  /**
   * Ends (SIGTERM), kills (SIGKILL) or starts a part by its name, that of its log file: `kube-apiserver`, `registry`,
   * `node-1-kubelet`… Throws with the names there are when it is none of them.
   */
  control(part: string, action: PartAction): Promise<void>;
  /** Starts the seed peer where it was stopped; the cluster must have been brought up with `seed`. */
  startSeed(): Promise<void>;
}

const POLL_MS = 100;
const NODE_TIMEOUT_MS = 90_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const REGISTRY_MACHINE = 'registry';

function enterHost(name: string): string[] {
  return ['nsenter', `--net=/run/netns/${name}`, '--'];
}

function describe(layout: Layout, description: z.infer<typeof Description>): Cluster {
  return {
    options: description.options,
    layout,
    nodes: description.nodes.map((node) => ({
      ...node,
      async run(command) {
        const [program = '', ...args] = onNode(node.name, node.pid)(command);
        return execute(program, args, { maxBuffer: MAX_OUTPUT_BYTES });
      },
    })),
    originBytes: () => bytesSentBy(REGISTRY_MACHINE),
    limitOrigin: (bytesPerSecond) => limitSending(enterHost(REGISTRY_MACHINE), bytesPerSecond),
    control: (part, action) => controlPart(layout.control, part, action),
    async startSeed() {
      for (const part of SEED_PARTS) await controlPart(layout.control, part, 'start');
    },
  };
}

/** The cluster that this process runs in: `run` and `shell` say which by `SLIPSTREAM_CLUSTER`. */
export async function openCluster(state = process.env['SLIPSTREAM_CLUSTER']): Promise<Cluster> {
  if (state === undefined) throw new Error('not inside a cluster: start this with `node hack/cluster/run.ts -- …`');
  const layout = layoutAt(state);
  return describe(layout, Description.parse(JSON.parse(await readFile(layout.description, 'utf8'))));
}

const NodeStatus = z.object({
  status: z
    .object({
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
      runtimeHandlers: z.array(z.object({ name: z.string().optional() })).default([]),
    })
    .prefault({}),
});

async function nodeReady(api: ApiClient, { name }: NodePlan): Promise<void> {
  const since = performance.now();
  for (;;) {
    const { status, body } = await api.call('GET', `/api/v1/nodes/${name}`);
    const node = status === 200 ? NodeStatus.parse(JSON.parse(body)).status : undefined;
    const ready = node?.conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True');
    if (ready && node?.runtimeHandlers.some((handler) => handler.name === 'nydus')) return;
    if (performance.now() - since > NODE_TIMEOUT_MS) {
      throw new Error(`${name} is not Ready with runtime handler nydus after ${NODE_TIMEOUT_MS / 1000} s: ${body}`);
    }
    await sleep(POLL_MS);
  }
}

/** Pods need the default ServiceAccount of their namespace, which the controller manager makes. */
async function defaultServiceAccount(api: ApiClient): Promise<void> {
  while ((await api.call('GET', '/api/v1/namespaces/default/serviceaccounts/default')).status !== 200) {
    await sleep(POLL_MS);
  }
}

/** A cluster that this process has started. */
export interface StartedCluster extends Cluster {
  /** Ends every part, the last started first. The namespaces stay. */
  stop(): Promise<void>;
}

/**
 * Starts every part of a cluster, those that do not need each other at the same time, and returns when the nodes are
 * Ready. Runs inside namespaces of its own only (init.ts): it makes links, mounts and cgroups there and leaves them
 * to end with the namespaces.
 */
export async function startCluster(
  options: ClusterOptions,
  layout: Layout,
  progress: Progress,
): Promise<StartedCluster> {
  const plans = planNodes(options.nodes);
  const parts: Part[] = [];
  const died = Promise.withResolvers<never>();
  async function part(label: string, start: () => Promise<Part | Part[]>): Promise<void> {
    for (const started of [await progress.step(label, start)].flat()) {
      parts.push(started);
      started.died.catch(died.reject);
    }
  }

  await progress.step('network', () => createBridge(plans));
  const pki = await progress.step('certificates', () => createPki(layout, plans));
  await writeKubeconfig(layout.kubeconfig, pki.ca, pki.admin);
  const api = await createApiClient(pki);

  async function controlPlane(): Promise<void> {
    await part('etcd', () => startEtcd(layout));
    await part('kube-apiserver', () => startApiServer(layout, pki, api));
    await part('kube-controller-manager', () => startControllerManager(layout, pki, options.hpaSyncSeconds));
    await part('kube-scheduler', () => startScheduler(layout, pki));
    await registerMetrics(api, pki);
    await part('metrics-server', () => startMetricsServer(layout, pki));
  }
  async function registry(): Promise<void> {
    const enter = await createHost(REGISTRY_MACHINE, ADDRESSES.registry);
    await part('registry', () => startRegistry(layout, enter));
    if (options.peers) await part('registry over HTTPS', () => startTlsRegistry(layout, enter, pki.registry));
    await progress.step('own images', pushOwnImages);
    if (!options.seed) return;
    const enterSeed = await createHost('seed', ADDRESSES.seed);
    await part('seed peer', () => startSeed(layout, enterSeed));
  }
  async function runtime(plan: NodePlan): Promise<NodeMachine> {
    const machine = await progress.step(`${plan.name}: machine`, () => createNode(layout, plan));
    await part(`${plan.name}: containerd and nydus-snapshotter`, () =>
      startRuntime(layout, machine, pki, options.peers ? LOCAL_PEER : options.seed ? SEED : undefined),
    );
    return machine;
  }

  async function everything(): Promise<NodeMachine[]> {
    const [machines] = await Promise.all([Promise.all(plans.map(runtime)), controlPlane(), registry()]);
    await Promise.all(
      machines.map(async (machine) => {
        if (options.peers) await part(`${machine.plan.name}: Dragonfly peer`, () => startPeer(layout, machine, pki));
        await part(`${machine.plan.name}: kubelet and kube-proxy`, () => startKubelet(layout, machine, pki));
        await progress.step(`${machine.plan.name}: Ready`, () => nodeReady(api, machine.plan));
      }),
    );
    await defaultServiceAccount(api);
    return machines;
  }
  const machines = await Promise.race([everything(), died.promise]);

  const server = await serveControl(layout.control, parts);
  const description = {
    options,
    nodes: machines.map(({ plan, pid }) => ({ name: plan.name, address: plan.address, pid })),
  };
  await writeFile(`${layout.description}.draft`, `${JSON.stringify(description)}\n`);
  await rename(`${layout.description}.draft`, layout.description);

  async function stop(): Promise<void> {
    server.close();
    for (const started of parts.toReversed()) await started.stop();
  }
  return { ...describe(layout, description), stop };
}
