import { REWRITE_TABLE, type RewriteTableSpec } from '../../src/api/v1alpha1/rewritetable.ts';
import { type KubeClient, loadKubeClient } from '../../src/kube/client.ts';
import { namespaces, type Pod, rewriteTables, runtimeClasses } from '../../src/kube/resources.ts';
import { startEnvtest } from '../envtest/envtest.ts';
import { CRDS } from '../support/operator.ts';
import { ARTIFACT_DIGEST, NOW, runtimeClass, webPod } from '../support/rewriting.ts';
import { until } from '../support/until.ts';
import { NAMESPACE, objects, template, VALUES } from './chart.ts';

const PLURALS: Readonly<Record<string, string>> = {
  MutatingAdmissionPolicy: 'mutatingadmissionpolicies',
  MutatingAdmissionPolicyBinding: 'mutatingadmissionpolicybindings',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
};

/** Images that tables of the tests name beside their own, to see that the API server has them: one for each table. */
const PROBE_ARTIFACT = `probe.test/probe@${ARTIFACT_DIGEST}`;

/** Installs the admission policies that the chart renders with a values file. */
export async function installPolicies(client: KubeClient, values: string): Promise<void> {
  for (const body of objects(await template(values))) {
    const plural = PLURALS[body.kind];
    if (plural !== undefined) {
      await client.raw('POST', `/apis/admissionregistration.k8s.io/v1/${plural}`, { body });
    }
  }
}

/** Makes a Pod for a try only; returns it as the API server would store it. */
export async function tryPod(client: KubeClient, pod: Pod, namespace: string): Promise<Pod> {
  const { uid: _uid, resourceVersion: _version, ...metadata } = pod.metadata;
  const body = { ...pod, metadata: { ...metadata, namespace } };
  const query = { dryRun: 'All' };
  return JSON.parse(await client.raw('POST', `/api/v1/namespaces/${namespace}/pods`, { body, query })) as Pod;
}

/** What admission may change of a Pod. */
export function changeable({ metadata, spec }: Pod): object {
  return {
    annotations: metadata.annotations ?? {},
    images: [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ image }) => image),
    runtimeClassName: spec?.runtimeClassName,
    nodeSelector: spec?.nodeSelector ?? {},
    pullSecrets: spec?.imagePullSecrets ?? [],
  };
}

/** A real API server that rewrites Pods by the chart's policy, without an operator. */
export interface PolicyWorld extends AsyncDisposable {
  client: KubeClient;
  makeNamespace(name: string, labels?: Record<string, string>): Promise<void>;
  /**
   * Writes a table as the operator would, its times moved from the test's to the API server's, and waits until it works.
   * @param probedFrom a namespace whose Pods the table is for
   */
  publish(namespace: string, spec: RewriteTableSpec, probedFrom?: string): Promise<void>;
}

/** Starts one, with the namespace of the operator and the RuntimeClasses `nydus`, as in the chart, and `kata`. */
export async function startPolicyWorld(): Promise<PolicyWorld> {
  const envtest = await startEnvtest({ crds: CRDS });
  const client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'admission-policy-test' });
  const makeNamespace = async (name: string, labels: Record<string, string> = {}): Promise<void> => {
    await client.create(namespaces, { metadata: { name, labels } });
  };
  await client.create(runtimeClasses, runtimeClass());
  await client.create(runtimeClasses, { metadata: { name: 'kata' }, handler: 'kata' });
  await makeNamespace(NAMESPACE);
  await installPolicies(client, VALUES.policy);
  return {
    client,
    makeNamespace,
    async publish(namespace, spec, probedFrom = namespace) {
      const probe = `probe.test/${namespace}:${Date.now()}`;
      const images = Object.entries(spec.images).map(([key, entry]) => {
        const left = Date.parse(entry.validUntil) - NOW.getTime();
        return [key, { ...entry, validUntil: secondsOf(Date.now() + left) }] as const;
      });
      const entry = { image: PROBE_ARTIFACT, validUntil: secondsOf(Date.now() + 600_000) };
      await client.apply(
        rewriteTables,
        {
          metadata: { namespace, name: REWRITE_TABLE },
          spec: { ...spec, images: { ...Object.fromEntries(images), [probe]: entry } },
        },
        { fieldManager: 'test' },
      );
      await until(`the API server has the table of ${namespace}`, async () => {
        const { spec: stored } = await tryPod(client, webPod(probe), probedFrom);
        return stored?.containers[0]?.image === PROBE_ARTIFACT;
      });
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await envtest.stop();
    },
  };
}

function secondsOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -5)}Z`;
}
