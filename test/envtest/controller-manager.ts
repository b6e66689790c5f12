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
export async function startWorkloadControllers({ kubeconfig }: Envtest): Promise<AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-controllers-'));
  const controllers = await startProcess(
    toolPath('kube-controller-manager'),
    [`--kubeconfig=${kubeconfig}`, `--controllers=${WORKLOADS.join(',')}`, '--leader-elect=false', '--secure-port=0'],
    join(directory, 'kube-controller-manager.log'),
  );
  return {
    async [Symbol.asyncDispose]() {
      await controllers.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
