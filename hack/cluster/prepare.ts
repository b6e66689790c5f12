import { ensurePackages } from '../tools/debian.ts';
import { ensureTools } from '../tools/ensure.ts';
import { CLUSTER_PACKAGES } from '../tools/packages.ts';
import type { Progress } from '../tools/progress.ts';
import { busyboxRootfs, pauseRootfs } from './images.ts';
import type { ClusterOptions } from './options.ts';
import { startSandbox } from './sandbox.ts';

/** The programs that every cluster runs. */
export const CLUSTER_TOOLS = [
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

/** The programs that a cluster with Dragonfly runs besides. */
export const DRAGONFLY_TOOLS = ['dfdaemon', 'dragonfly-scheduler'];

/** How {@link bringUp} brings up a cluster. */
export interface BringUpOptions {
  /** Lets the cluster end with this process. */
  attached: boolean;
  progress: Progress;
  signal: AbortSignal;
}

/** Gets packages, tools and root filesystems onto this machine, and brings up a cluster; returns when it is ready. */
export async function bringUp(options: ClusterOptions, { attached, progress, signal }: BringUpOptions): Promise<void> {
  const tools = options.seed ? [...CLUSTER_TOOLS, ...DRAGONFLY_TOOLS] : CLUSTER_TOOLS;
  await progress.step(`cluster ${options.name}`, async () => {
    await progress.step('tools', async () => {
      await ensurePackages(CLUSTER_PACKAGES, progress, signal);
      await ensureTools(tools, { progress, signal });
      await Promise.all([pauseRootfs(), busyboxRootfs()]);
    });
    await startSandbox(options, { attached, signal, print: (text) => progress.note(text.trimEnd()) });
  });
}
