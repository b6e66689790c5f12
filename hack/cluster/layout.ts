import { join } from 'node:path';

/** Addresses inside the cluster's own network namespaces. They are the same in every cluster: none can see another. */
export const ADDRESSES = {
  controlPlane: '10.123.0.1',
  registry: '10.123.0.2',
  seed: '10.123.0.3',
  prefixLength: 24,
  pods: '10.124.0.0/16',
  services: '10.125.0.0/16',
  kubernetesService: '10.125.0.1',
} as const;

/** The registry as images name it: plain HTTP, reachable from the control plane, the nodes and every Pod. */
export const REGISTRY = `${ADDRESSES.registry}:5000`;

/** The same registry over HTTPS, with a certificate of the cluster's own authority; in clusters with `peers` only. */
export const TLS_REGISTRY = `${ADDRESSES.registry}:5443`;

/** The API server's address. */
export const API_SERVER = `https://${ADDRESSES.controlPlane}:6443`;

/** The image of Pod sandboxes. */
export const PAUSE_IMAGE = `${REGISTRY}/slipstream/pause:1`;

/** A small image with a shell and BusyBox's commands, for Pods of tests. */
export const BUSYBOX_IMAGE = `${REGISTRY}/slipstream/busybox:1`;

/** Name and addresses of a node. */
export interface NodePlan {
  name: string;
  address: string;
  podSubnet: string;
}

/** The nodes of a cluster of this size. */
export function planNodes(count: number): NodePlan[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `node-${index + 1}`,
    address: `10.123.0.${11 + index}`,
    podSubnet: `10.124.${index + 1}.0/24`,
  }));
}

/** Where the files of a cluster are. */
export interface Layout {
  /** Folder of this cluster; `down` removes it. */
  state: string;
  /** Links to the tools under their own names, for PATH. */
  bin: string;
  logs: string;
  pki: string;
  kubeconfig: string;
  /** What {@link ../options.ts} were asked for. */
  options: string;
  /** The running cluster's description, there once it is ready. */
  description: string;
  /** Unix socket that ends and starts parts. */
  control: string;
  /** Process ids of the set of namespaces, as the machine sees them. */
  sandbox: string;
  /** What the start prints. */
  progress: string;
}

/** Folder of all clusters: `SLIPSTREAM_STATE`, else `/var/tmp/slipstream`. */
export function stateDirectory(): string {
  return process.env['SLIPSTREAM_STATE'] ?? '/var/tmp/slipstream';
}

/** The layout of the cluster with this name. */
export function layoutOf(name: string): Layout {
  return layoutAt(join(stateDirectory(), name));
}

/** The layout of the cluster in this folder. */
export function layoutAt(state: string): Layout {
  return {
    state,
    bin: join(state, 'bin'),
    logs: join(state, 'logs'),
    pki: join(state, 'pki'),
    kubeconfig: join(state, 'admin.kubeconfig'),
    options: join(state, 'options.json'),
    description: join(state, 'cluster.json'),
    control: join(state, 'control.sock'),
    sandbox: join(state, 'sandbox.json'),
    progress: join(state, 'progress.log'),
  };
}

/** Log file of a part. */
export function logOf(layout: Layout, part: string): string {
  return join(layout.logs, `${part}.log`);
}
