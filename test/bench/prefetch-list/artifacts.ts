import { coldNode } from '../../../hack/cluster/cold.ts';
import { eventually, kubectl } from '../../../hack/demo/objects.ts';
import type { ClusterNode } from '../../../hack/cluster/cluster.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { acceleratedImages, pods } from '../../../src/kube/resources.ts';
import { answersCorrectly, type Answer } from '../../../hack/demo/service.ts';
import { MAIN, run } from '../../support/cli.ts';

const NAMESPACE = 'default';
const NAME = 'inference';
const READY_SECONDS = 600;

/** What `slipstream learn -o json` says, as far as it is used. */
interface Learnt {
  list: { files: { path: string }[]; bytes: number; share: number };
}

/** Has the operator convert the image, with these paths to prefetch; gives the artifact's reference. */
export async function accelerate(client: KubeClient, image: string, prefetchPaths: readonly string[]): Promise<string> {
  const before = await client.apply(
    acceleratedImages,
    {
      metadata: { namespace: NAMESPACE, name: NAME },
      spec: { source: { image }, conversion: { prefetchPaths: [...prefetchPaths] } },
    },
    { fieldManager: 'bench' },
  );
  const artifact = await eventually('the AcceleratedImage is Ready', READY_SECONDS, async () => {
    const { metadata, status } = await client.get(acceleratedImages, { namespace: NAMESPACE, name: NAME });
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    return ready?.status === 'True' &&
      ready.observedGeneration === metadata.generation &&
      status?.artifact?.image !== before.status?.artifact?.image
      ? status?.artifact?.image
      : undefined;
  });
  // Its finished Pod would keep the node from being emptied.
  await kubectl('delete', 'jobs', '--selector', 'app.kubernetes.io/managed-by=slipstream', '--wait');
  return artifact;
}

/** Starts the service once on an empty node and has the command say which paths it read. */
export async function learn(client: KubeClient, node: ClusterNode, image: string, expected: Answer): Promise<Learnt> {
  await coldNode(node);
  const name = 'learner';
  await client.create(pods, {
    metadata: { namespace: NAMESPACE, name },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node.name },
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: NAME, image }],
    },
  });
  await eventually('the Pod to learn from answers', 120, async () => {
    const { status } = await client.get(pods, { namespace: NAMESPACE, name });
    return (await answersCorrectly(status?.podIP ?? '', expected)) ? true : undefined;
  });
  const env = { KUBECONFIG: process.env['KUBECONFIG'] ?? '', PATH: process.env['PATH'] ?? '' };
  const args = ['learn', `pod/${name}`, '--namespace', NAMESPACE, '--output', 'json'];
  const { code, stdout, stderr } = await run(process.execPath, [MAIN, ...args], { env });
  if (code !== 0) {
    throw new Error(stderr);
  }
  await kubectl('delete', 'pod', name, '--wait');
  await eventually("the command's Pods are gone", 60, async () =>
    (await kubectl(
      'get',
      'pods',
      '--all-namespaces',
      '--selector',
      'app.kubernetes.io/name=slipstream-learn',
      '--output',
      'name',
    )) === ''
      ? true
      : undefined,
  );
  return JSON.parse(stdout) as Learnt;
}
