import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolPath } from '../../hack/tools/locate.ts';
import type { Envtest } from './envtest.ts';
import { startProcess } from './process.ts';

/** The controllers that make Pods. */
const WORKLOADS = [
  'deployment',
  'replicaset',
  'statefulset',
  'daemonset',
  'job',
  'cronjob',
  'replicationcontroller',
].map((kind) => `${kind}-controller`);

/** Starts kube-controller-manager beside an API server, with the controllers of the built-in workloads only. */
export function startWorkloadControllers(api: Envtest): Promise<AsyncDisposable> {
  return startControllers(api, WORKLOADS, []);
}

/**
 * Starts kube-controller-manager beside an API server, with the HorizontalPodAutoscaler's controller only.
 * @param syncSeconds seconds from round to round
 */
export function startAutoscaler(api: Envtest, syncSeconds: number): Promise<AsyncDisposable> {
  const flags = [`--horizontal-pod-autoscaler-sync-period=${syncSeconds}s`];
  return startControllers(api, ['horizontal-pod-autoscaler-controller'], flags);
}

async function startControllers(
  { kubeconfig }: Envtest,
  names: readonly string[],
  flags: readonly string[],
): Promise<AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-controllers-'));
  const controllers = await startProcess(
    toolPath('kube-controller-manager'),
    [
      `--kubeconfig=${kubeconfig}`,
      `--controllers=${names.join(',')}`,
      '--leader-elect=false',
      '--secure-port=0',
      ...flags,
    ],
    join(directory, 'kube-controller-manager.log'),
  );
  return {
    async [Symbol.asyncDispose]() {
      await controllers.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
