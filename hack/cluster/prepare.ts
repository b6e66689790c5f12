import { ensurePackages } from '../tools/debian.ts';
import { ensureTools } from '../tools/ensure.ts';
import type { Progress } from '../tools/progress.ts';
import { busyboxRootfs, IMAGE_PACKAGES, pauseRootfs } from './images.ts';
import type { ClusterOptions } from './options.ts';

const PACKAGES = ['runc', 'containernetworking-plugins', 'iptables', 'conntrack', 'iproute2', 'tini', ...IMAGE_PACKAGES];

const CLUSTER_TOOLS = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
  'metrics-server',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'containerd-nydus-grpc',
  'nydus-image',
  'nydusd',
  'registry',
  'crane',
];

/** Gets everything onto this machine that a cluster needs: packages, tools, the root filesystems of its own images. */
export async function prepare(options: ClusterOptions, progress: Progress): Promise<void> {
  await ensurePackages(PACKAGES, progress);
  await ensureTools(options.seed ? [...CLUSTER_TOOLS, 'dfdaemon'] : CLUSTER_TOOLS, { progress });
  await Promise.all([pauseRootfs(), busyboxRootfs()]);
}
