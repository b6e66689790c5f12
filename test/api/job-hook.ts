import { fileURLToPath } from 'node:url';
import { execute } from '../../hack/tools/process.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { jobs, type Job } from '../../src/kube/resources.ts';
import { until } from '../support/until.ts';
import type { Envtest } from '../envtest/envtest.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/**
 * Does for a Job that Helm waits for what a kubelet and the Job controller would do: runs its command as its ServiceAccount, and says that
 * it is done. Waits until there is such a Job. Throws with what the command says when it fails.
 */
export async function runJobHook(envtest: Envtest, admin: KubeClient, namespace: string): Promise<void> {
  let job: Job | undefined;
  await until('Helm has made the Job of its hook', async () => {
    const { items } = await admin.list(jobs, { namespace });
    job = items.find(({ status }) => status?.conditions === undefined);
    return job !== undefined;
  });
  const { metadata, spec } = job as Job;
  const pod = spec?.template.spec;
  const account = `system:serviceaccount:${namespace}:${pod?.serviceAccountName}`;
  const flags = [`--namespace=${namespace}`, `--kubeconfig=${await envtest.kubeconfigFor(account)}`];
  await execute(process.execPath, [MAIN, ...(pod?.containers[0]?.args ?? []), ...flags]);
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const conditions = ['SuccessCriteriaMet', 'Complete'].map((type) => ({
    type,
    status: 'True',
    lastTransitionTime: now,
    reason: 'Test',
  }));
  const status = { startTime: now, completionTime: now, succeeded: 1, conditions };
  const ref = { namespace, name: metadata.name };
  await admin.patch(jobs, ref, { status }, 'application/merge-patch+json', { subresource: 'status' });
}
